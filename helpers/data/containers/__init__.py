"""What lies behind a path: the files of folders and archives, by name, each with how to open it.

May import `base` and `sources`; knows nothing of images or labels.
"""

from helpers.data.containers.encodings import decode_text as decode_text
from helpers.data.containers.foreign import refuse_foreign_members as refuse_foreign_members
from helpers.data.containers.listing import Members as Members
from helpers.data.containers.listing import list_members as list_members
from helpers.data.containers.listing import visible_files as visible_files
