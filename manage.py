#!/usr/bin/env python
"""The command line of a checkout and of the image; an installed package has `tuner-server`."""

from tuner_project.command_line import main

if __name__ == "__main__":
    main()
