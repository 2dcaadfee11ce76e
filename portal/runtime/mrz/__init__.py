"""The machine-readable zone of travel documents, by ICAO Doc 9303, 8th edition.

Parts 3 (check digits, names), 4 (TD3, passports), 5 (TD1, cards), 6 (TD2) and 7
(MRV-A and MRV-B, visas). Text in, text out: no pictures and no onnxruntime here.
"""

from portal.runtime.mrz.fields import read_fields
from portal.runtime.mrz.rows import Row
from portal.runtime.mrz.zone import FoundZone, find_zone

__all__ = ["FoundZone", "Row", "find_zone", "read_fields"]
