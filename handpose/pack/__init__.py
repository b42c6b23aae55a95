"""The command that packs the crops of a configuration, and lists and deletes packs."""
