from folders import set_aside

set_aside()

collect_ignore = ["explore.ipynb"]  # a live page, which tests/explore opens in a browser
