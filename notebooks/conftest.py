from folders import set_aside

set_aside()
