"""`python train.py [GROUP=CHOICE] [KEY=VALUE] ...`: the same as `handpose train ...`.

`python train.py --help` lists the choices.
"""

from handpose.pipeline.command import main

if __name__ == "__main__":
    main()
