"""``python -m rag.settings`` prints the reference page."""

import sys

from rag.settings.reference import reference_page

if __name__ == "__main__":
    sys.stdout.write(reference_page())
