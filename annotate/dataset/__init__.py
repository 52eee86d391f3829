"""From gold Documents to a folder that `datasets.load_dataset` reads, and back.

    build_dataset   documents → Parquet, card and manifest in a folder
    load_documents  a built dataset (a folder or a name on the Hub) → documents

The folder has three configurations: `documents` (texts with nested entities), `syllable` and
`word` (sentences with tokens and tags). No document is in two splits.
"""
