"""``python -m mlproof`` is the command ``mlproof``."""

from mlproof.cli import main

if __name__ == "__main__":
    main()
