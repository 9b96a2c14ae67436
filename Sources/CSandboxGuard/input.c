#include "internal.h"
#ifdef __linux__
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAME_LIMIT = 1 << 20, SPEC_LIMIT = 8 << 20 };

void *need(void *pointer) {
  if (pointer == NULL) _exit(70);
  return pointer;
}

uint64_t number_read(const uint8_t *bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; i--) value = value << 8 | bytes[i];
  return value;
}

void list_add(struct list *list, const char *text) {
  if (list->count + 1 >= list->room) {
    list->room = list->room ? list->room * 2 : 32;
    list->items = need(realloc(list->items, list->room * sizeof(char *)));
  }
  list->items[list->count++] = need(strdup(text));
  list->items[list->count] = NULL;
}

int input_read(struct input *in) {
  if (in->room - in->count < 65536) {
    in->room = in->count + 65536;
    in->bytes = need(realloc(in->bytes, in->room));
  }
  ssize_t got = read(0, in->bytes + in->count, in->room - in->count);
  if (got < 0) return errno == EAGAIN || errno == EINTR ? -1 : 0;
  in->count += (size_t)got;
  return got > 0;
}

// The frame's bytes are moved behind the buffered rest, so that the payload survives until the next call.
int input_frame(struct input *in, uint8_t *type, const uint8_t **payload, uint32_t *length) {
  static uint8_t *kept;
  if (in->count < 5) return 0;
  const uint8_t *head = in->bytes;
  uint32_t size = (uint32_t)head[1] | (uint32_t)head[2] << 8 | (uint32_t)head[3] << 16 | (uint32_t)head[4] << 24;
  if (size > FRAME_LIMIT) return -1;
  if (in->count < 5 + (size_t)size) return 0;
  *type = head[0];
  free(kept);
  kept = need(malloc((size_t)size + 1));
  memcpy(kept, head + 5, size);
  kept[size] = 0;
  *payload = kept;
  *length = size;
  in->count -= 5 + (size_t)size;
  memmove(in->bytes, in->bytes + 5 + size, in->count);
  return 1;
}

bool spec_take(struct spec *spec, uint8_t type, const uint8_t *payload, uint32_t length) {
  static size_t total;
  total += length;
  if (total > SPEC_LIMIT) return false;
  const char *text = (const char *)payload;
  if (type != 'N' && memchr(payload, 0, length) != NULL) return false;
  switch (type) {
    case 'N':
      if (length != N_COUNT * 8) return false;
      for (int i = 0; i < N_COUNT; i++) spec->number[i] = number_read(payload + i * 8);
      spec->has_numbers = true;
      return true;
    case 'B': spec->bwrap = need(strdup(text)); return true;
    case 'W': spec->work = need(strdup(text)); return true;
    case 'I': spec->call = need(strdup(text)); return true;
    case 'A': list_add(&spec->arguments, text); return true;
    case 'E': list_add(&spec->environment, text); return true;
    case 'C': list_add(&spec->command, text); return true;
    case 'G': spec->go = spec->has_numbers && spec->work && spec->call && spec->command.count > 0; return spec->go;
    default: return false;
  }
}
#endif
