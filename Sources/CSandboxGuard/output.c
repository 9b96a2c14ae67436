#include "internal.h"
#ifdef __linux__
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A paused worker reads nothing. Blocking on its pipe would keep the guard from its deadlines, so frames wait here, and
// while there is no room the sandbox's own pipes are left unread.
bool output_has_room(const struct output *out) { return out->broken || out->count + CHUNK + 5 <= OUTPUT_ROOM / 2; }

void output_frame(struct output *out, uint8_t type, const void *payload, uint32_t length) {
  if (out->broken) return;
  if (out->bytes == NULL) out->bytes = need(malloc(OUTPUT_ROOM));
  if (out->start + out->count + 5 + length > OUTPUT_ROOM) {
    memmove(out->bytes, out->bytes + out->start, out->count);
    out->start = 0;
  }
  if (out->count + 5 + length > OUTPUT_ROOM) return;
  uint8_t *at = out->bytes + out->start + out->count;
  at[0] = type;
  for (int i = 0; i < 4; i++) at[1 + i] = (uint8_t)(length >> (8 * i));
  memcpy(at + 5, payload, length);
  out->count += 5 + length;
}

void output_flush(struct output *out) {
  while (out->count > 0 && !out->broken) {
    ssize_t sent = write(1, out->bytes + out->start, out->count);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) out->broken = true;
      return;
    }
    out->start += (size_t)sent;
    out->count -= (size_t)sent;
  }
  out->start = 0;
}
#endif
