"""vipol: from raw Vietnamese political articles to a published named-entity dataset.

The modules follow the flow of the data: readers and clean, prelabel, studio, agreement,
dataset. ARCHITECTURE.md says which room is for what.
"""

__version__ = "0.1.0"
