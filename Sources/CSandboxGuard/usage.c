#include "internal.h"
#ifdef __linux__
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { DEPTH_LIMIT = 64 };

struct sum {
  uint64_t bytes, files;
  const struct spec *spec;
  const char *wrong;
};

// A sparse file counts with its length, as its layer would store every byte.
uint64_t file_bytes(const struct stat *info) {
  uint64_t blocks = (uint64_t)info->st_blocks * 512, length = (uint64_t)info->st_size;
  return S_ISREG(info->st_mode) && length > blocks ? length : blocks;
}

static void check(struct sum *sum) {
  if (sum->bytes > sum->spec->number[N_DISK]) sum->wrong = "the work folder holds more bytes than allowed";
  if (sum->files > sum->spec->number[N_FILES]) sum->wrong = "the work folder holds more files than allowed";
}

// Walks by descriptors and never follows a link: a tool that swaps folders meanwhile leads it nowhere else.
static void walk(int folder, int depth, struct sum *sum) {
  DIR *listing = fdopendir(folder);
  if (listing == NULL) {
    close(folder);
    return;
  }
  for (struct dirent *entry; sum->wrong == NULL && (entry = readdir(listing)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    struct stat info;
    if (fstatat(folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    sum->bytes += file_bytes(&info);
    sum->files += 1;
    check(sum);
    if (sum->wrong != NULL || !S_ISDIR(info.st_mode)) continue;
    if (depth == DEPTH_LIMIT) {
      sum->wrong = "the work folder nests too deep";
      break;
    }
    int below = openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below >= 0) walk(below, depth + 1, sum);
    // What cannot be counted could hold anything.
    else if (faccessat(folder, entry->d_name, R_OK | X_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) != 0
             && fstatat(folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode))
      sum->wrong = "a folder in the work folder cannot be read";
  }
  closedir(listing);
}

bool usage_within(int folder, const struct spec *spec, pid_t first, uint64_t until, char *why, size_t room) {
  struct sum sum = {.spec = spec};
  struct stat info;
  // Before the walk: a file that is removed meanwhile is then missed once, and not counted twice.
  if (first > 0 && fstat(folder, &info) == 0) {
    held_count(spec, first, info.st_dev, until, &sum.bytes, &sum.files);
    check(&sum);
  }
  int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (again >= 0) walk(again, 1, &sum);
  else sum.wrong = "the work folder cannot be read";
  // A removed file that is only mapped, or on its way through a socket, is found nowhere; the disk's free space shows it.
  struct statvfs disk;
  if (sum.wrong == NULL && fstatvfs(folder, &disk) == 0
      && (uint64_t)disk.f_bavail * disk.f_frsize < spec->number[N_FREE])
    sum.wrong = "the work folder's disk is almost full";
  if (sum.wrong != NULL) snprintf(why, room, "%s", sum.wrong);
  return sum.wrong == NULL;
}
#endif
