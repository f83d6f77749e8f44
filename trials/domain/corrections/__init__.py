"""Corrections of trials that have ended, by those who manage a study."""
