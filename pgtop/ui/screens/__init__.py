"""Screens above the tabs: help, questions, text to select."""
