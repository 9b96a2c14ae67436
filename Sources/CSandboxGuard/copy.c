#include "CSandboxGuard.h"
#include "internal.h"
#ifdef __linux__
#include <errno.h>
#include <unistd.h>

long simplon_copy_range(int from, int to) {
  ssize_t count;
  do count = copy_file_range(from, NULL, to, NULL, (size_t)1 << 30, 0);
  while (count < 0 && errno == EINTR);
  return (long)count;
}
#else
long simplon_copy_range(int from, int to) { (void)from, (void)to; return -1; }
#endif
