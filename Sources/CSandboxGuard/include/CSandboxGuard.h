#pragma once
int simplon_guard_main(void);
