"""Every JSON document that vqcast writes and reads back, as a frozen type.

Field names and order are the published contract: other people's tools read
these files. Unknown keys are ignored on reading, but for registry rows, which allow
no others. The types stand in the module of what they describe; here is what turns
them into bytes and back.
"""

from vqcast.documents.base import Document, Omitting
from vqcast.documents.codec import from_bytes, to_bytes, to_dict, to_line

__all__ = ["Document", "Omitting", "from_bytes", "to_bytes", "to_dict", "to_line"]
