#include "CSandboxGuard.h"
int simplon_guard_main(void) { return 0; }
