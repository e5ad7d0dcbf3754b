"""Minutes: drafted from the log, corrected, frozen, signed, checked."""
