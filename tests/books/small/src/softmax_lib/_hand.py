__all__ = ["hand"]
raise_if_imported_by_a_tool = 1


def hand():
    return "made by hand"
