"""The one MetaData of all tables, and what their definitions share."""

from sqlalchemy import MetaData

METADATA = MetaData()
"""Every table of MLflow's schema at revision 3da73c924c2f.

Names of constraints and indexes are those in the databases that MLflow makes; where MLflow names
none, none is given here, so that each database makes up the same name as it did for MLflow.
"""

RUN_ID = 32
"""Length of a run's id: a UUID in hexadecimal."""
