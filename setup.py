"""The packages of Ricercar: the folder of the repository is the package `ricercar`, and those below are found."""

from setuptools import find_packages, setup

setup(packages=["ricercar", *(f"ricercar.{name}" for name in find_packages())])
