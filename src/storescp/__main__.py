"""`python -m storescp`."""

from storescp.cli import main

main()
