# `make demo` and `make test` set everything up themselves: they need only make and Python 3.11, 3.12 or 3.13.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CORES ?= all
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
# GPU=1 takes TensorFlow for an NVIDIA GPU (Linux), into an environment of its own.
GPU ?=
OF_GPU := $(if $(filter-out 0,$(GPU)),-gpu)
VENV := .venv$(OF_GPU)
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
DEMO := results/demo
# Tests in one file share slow fixtures, so each worker gets whole files. The third worker uses the
# two cores while another waits for SLURM or a killed process.
PYTEST := OMP_NUM_THREADS=1 pytest -n 3 --dist loadfile --no-loadscope-reorder
SNAKEMAKE := snakemake --cores $(CORES)
FUZZ ?= slide patch archive matrix maf star sheet network
FUZZ_SECONDS ?= 60
# Benches compare on one core. The tools to compare with come from the environment of BENCH_PYTHON.
BENCH_PYTHON ?= python
BENCH := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH=workflow/scripts:$$PYTHONPATH $(BENCH_PYTHON)

.PHONY: help check-gpu config demo docs sheets test test-fast test-long test-torch lint format bench bench-crossval bench-entry bench-evidence bench-features bench-finetune bench-graph bench-labels bench-null bench-soak bench-splits bench-tiling rehearsal rulegraph pictures keys metadata coverage audit fuzz lock clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: $(VENV)/run.stamp  ## run the whole study on a small simulated cohort
	@$(SNAKEMAKE) --configfile config/demo.yaml --quiet rules host
	@$(MAKE) --no-print-directory $(DEMO)/report.html
	@echo "The report is $(DEMO)/report.html; the page to read first is $(DEMO)/summary.html"

$(DEMO)/report.html: $(DEMO)/summary.html
	@$(SNAKEMAKE) --configfile config/demo.yaml --report $@ >$(DEMO)/logs/report.log 2>&1 || { cat $(DEMO)/logs/report.log; exit 1; }

config: $(VENV)/run.stamp  ## show every key of a config, its value and where that comes from (CONFIG=my_study.yaml)
	@PYTHONPATH=workflow/scripts python workflow/scripts/show_config.py $(or $(CONFIG),config/config.yaml)

sheets: $(VENV)/run.stamp  ## write the sheets of the study's slides and labels at the GDC (CONFIG=my_study.yaml)
	@$(SNAKEMAKE) --snakefile workflow/sheets.smk --quiet rules host $(if $(CONFIG),--configfile $(CONFIG))

test: $(VENV)/dev.stamp  ## run all tests but the longest
	$(PYTEST) -m "not long"

test-fast: $(VENV)/dev.stamp  ## run the tests that take seconds each
	$(PYTEST) -m "not slow and not long"

test-long: $(VENV)/dev.stamp  ## run the tests that take many minutes each
	$(PYTEST) -m long

test-torch: $(VENV)/torch.stamp  ## run the tests of networks of PyTorch, which needs 6 GB for an environment of its own
	PATH=$(CURDIR)/$(VENV)/torch/bin:$$PATH KERAS_BACKEND=torch python -m pytest tests/models/test_torch_networks.py tests/models/test_hub.py \
		tests/models/test_model_files.py tests/workflow/test_torch_study.py

lint: $(VENV)/dev.stamp  ## check style, types, imports between rooms, and the workflow
	ruff check .
	ruff format --check .
	mypy
	pytest -q tests/test_rooms.py
	snakefmt --check Snakefile workflow
	snakemake --lint --configfile config/demo.yaml

docs: $(VENV)/dev.stamp $(VENV)/docs.stamp  ## build the documentation as a site, .site/html/index.html, and check its links
	python docs/site_pages.py .site/pages
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=$(VENV)/docs python -m mkdocs build --strict

format: $(VENV)/dev.stamp  ## format the code
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

bench: bench-labels bench-splits bench-crossval bench-finetune bench-features bench-tiling  ## run the benches that need no data

bench-crossval: $(VENV)/dev.stamp  ## compare cross-validation with scikit-learn's pipelines, and time a whole study
	$(BENCH) bench/crossval.py

bench-entry: $(VENV)/dev.stamp  ## time a study of two tools' features, from files to summary
	python bench/entry.py

bench-labels: $(VENV)/dev.stamp  ## time the reading of labels of 18,000 genes
	$(BENCH) bench/labels.py

bench-tiling: $(VENV)/dev.stamp  ## compare tiling with other tools (SLIDES="a.svs b.svs:0.25" BENCH_PYTHON=...)
	$(BENCH) bench/tiling.py $(SLIDES)

bench-evidence: $(VENV)/dev.stamp  ## judge the recipe of fine-tuning on real patches of several organs (PATCHES=folder)
	PYTHONPATH=workflow/scripts python bench/evidence.py $(PATCHES)

bench-features: $(VENV)/dev.stamp  ## compare feature extraction with the network alone
	PYTHONPATH=workflow/scripts python bench/features.py

bench-finetune: $(VENV)/dev.stamp  ## time the first step of fine-tuning on cached features
	PYTHONPATH=workflow/scripts python bench/finetune.py

# The environment of CHECK_PYTHON is the one to check: that of conda, say, or one with JAX alone and KERAS_BACKEND=jax.
CHECK_PYTHON ?= python
check-gpu: $(if $(OF_GPU),$(VENV)/run.stamp)  ## check that the network runs rightly and fast on this machine's GPU (GPU=1, or CHECK_PYTHON=...)
	PYTHONPATH=workflow/scripts:$$PYTHONPATH $(CHECK_PYTHON) bench/check_gpu.py $(CHECK_GPU)

bench-null: $(VENV)/dev.stamp  ## simulate the error rates of the comparison (STUDIES=1000 ROWS="pearson auroc-n100" SEED=1)
	$(BENCH) bench/null.py --studies $(or $(STUDIES),1000) --seed $(or $(SEED),1) --rows $(or $(ROWS),"")

bench-splits: $(VENV)/dev.stamp  ## time drawing the folds of 2,000 and 18,000 genes
	$(BENCH) bench/splits.py

rehearsal: $(VENV)/dev.stamp  ## run cross-validation, tables and figures on random features at the published size
	$(BENCH) bench/rehearsal.py

bench-graph: $(VENV)/dev.stamp  ## time dry runs of 541 and 10,000 slides
	python bench/graph.py

rulegraph: $(VENV)/dev.stamp  ## draw the graph of the rules into README.md
	python docs/rulegraph.py

pictures: $(VENV)/dev.stamp  ## make the pictures of the documents, after make demo and from a real slide
	PYTHONPATH=workflow/scripts python docs/pictures.py

keys: $(VENV)/dev.stamp  ## write the tables of keys into config/README.md
	python docs/config_keys.py

metadata: $(VENV)/dev.stamp  ## write codemeta, Zenodo's and RO-Crate's metadata from CITATION.cff
	python docs/metadata.py

bench-soak: $(VENV)/dev.stamp  ## send 2,000 tiny slides through one process; watch time, memory, open files
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH=workflow/scripts:tests python bench/soak.py

# One process, because the workers of `make test-fast` would not be measured.
coverage: $(VENV)/dev.stamp  ## show which lines of the library the fast tests run
	@pip install --quiet --disable-pip-version-check --no-deps --target $(VENV)/coverage coverage==7.17.4
	@rm -f $(VENV)/coverage.data*
	PYTHONPATH=$(VENV)/coverage python -m coverage run -m pytest -q -m "not slow and not long"
	@PYTHONPATH=$(VENV)/coverage python -m coverage combine --quiet
	@PYTHONPATH=$(VENV)/coverage python -m coverage report

audit: $(VENV)/run.stamp  ## check the locked requirements for known vulnerabilities (needs the internet)
	@python -m venv $(VENV)/audit && $(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(VENV)/audit/bin/pip-audit --strict --require-hashes --disable-pip -r requirements.txt

fuzz: $(VENV)/dev.stamp  ## feed damaged inputs to the readers, FUZZ_SECONDS each (FUZZ="slide patch ...", Linux)
	@pip install --quiet --disable-pip-version-check --target $(VENV)/fuzz atheris==3.0.0
	@mkdir -p $(VENV)/found
	@for target in $(FUZZ); do PYTHONPATH=$(VENV)/fuzz python tests/reliability/fuzz.py $$target -max_total_time=$(FUZZ_SECONDS) \
		-rss_limit_mb=4000 -artifact_prefix=$(VENV)/found/ >$(VENV)/found/$$target.log 2>&1 \
		|| { tail -n 40 $(VENV)/found/$$target.log; exit 1; }; echo "$$target: $$(grep ^Done $(VENV)/found/$$target.log)"; done

lock:  ## resolve requirements*.in into the lock files (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-annotate --no-header --fork-strategy fewest requirements.in -o requirements.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-annotate --no-header --fork-strategy fewest -c requirements.txt requirements-gpu.in -o requirements-gpu.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-annotate --no-header --fork-strategy fewest -c requirements.txt requirements-dev.in -o requirements-dev.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-annotate --no-header --fork-strategy fewest -c requirements.txt requirements-docs.in -o requirements-docs.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-annotate --no-header --fork-strategy fewest -c requirements.txt requirements-torch.in -o requirements-torch.txt

clean:  ## delete the demo's results and the virtual environment
	rm -rf $(DEMO) $(VENV)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "histotransfer: no Python 3.11, 3.12 or 3.13 on the PATH. Install one, or name it: make demo PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements$(OF_GPU).txt | $(VENV)/bin/python
	@echo "Installing the locked requirements into $(VENV) (about two minutes, once) ..."
	@python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/docs.stamp: requirements-docs.txt | $(VENV)/bin/python
	@python -m pip install --quiet --disable-pip-version-check --require-hashes --target $(VENV)/docs --upgrade -r requirements-docs.txt
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt | $(VENV)/bin/python
	@echo "Installing the locked requirements into $(VENV) (about two minutes, once) ..."
	@python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@ $(VENV)/run.stamp

$(VENV)/torch.stamp: requirements-dev.txt requirements-torch.txt | $(VENV)/bin/python
	@echo "Installing the locked requirements, PyTorch among them, into $(VENV)/torch (several minutes, once) ..."
	@python -m venv $(VENV)/torch
	@$(VENV)/torch/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt -r requirements-torch.txt
	@touch $@
