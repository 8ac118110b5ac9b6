"""A service's configuration: file, environment and command line, checked by its struct."""

from citypulse.settings.loading import BadSettingError, Section, load

__all__ = ["BadSettingError", "Section", "load"]
