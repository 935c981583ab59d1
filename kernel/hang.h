/* The hang detector (kernel/hang.c): `hang_seconds=` on the command line says how long a wait may take, 3 by default. */
#pragma once

void hang_start(void);
