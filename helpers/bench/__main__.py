"""`python -m helpers.bench` runs every bench there is."""

from helpers.bench.turns import main

main()
