/*
 * The disk of a machine whose power is cut, in the worst case that POSIX allows: of a file only what
 * was synced survives, and a name (made, renamed, removed) only once its directory was synced.
 *
 * Preloaded into a process, it keeps a shadow of what would survive. One file a synced inode:
 *
 *   SHADOW/<inode>-<birth>   of a regular file: its content at the last sync
 *                            of a directory: its entries then, a line each: <f|d> <mode> <inode> <name>
 *   SHADOW/log               a line for each sync that was done: <call> <path below the disk>
 *
 *   POWER_DISK     the watched folder, absolute and without symbolic links
 *   POWER_SHADOW   where the shadow is kept
 *   POWER_CUT      "before N" or "after N": dies at the N-th sync, before or after it took effect
 *
 * A sync by a way that is not seen here (sync(2), O_SYNC) counts as none: the model only gets
 * stricter. A sync that cannot be modelled ends the process with exit status 99.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static long syncs;

static void give_up(const char *what) {
  fprintf(stderr, "power-cut: %s\n", what);
  _exit(99);
}

static const char *setting(const char *name) {
  const char *value = getenv(name);
  if (value == NULL) give_up(name);
  return value;
}

static void path_of(char *path, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(path, PATH_MAX, format, arguments);
  va_end(arguments);
  if (length < 0 || length >= PATH_MAX) give_up("a path is too long");
}

/* Inode numbers are used again at once: the time of birth tells two files of one number apart. */
static void inode_of(int fd, const char *path, int flags, char *inode, mode_t *mode) {
  struct statx found;
  if (statx(fd, path, flags, STATX_BASIC_STATS | STATX_BTIME, &found) != 0) give_up("statx failed");
  long long birth = (long long)found.stx_btime.tv_sec * 1000000000LL + found.stx_btime.tv_nsec;
  snprintf(inode, 64, "%llu-%lld", (unsigned long long)found.stx_ino, birth);
  *mode = found.stx_mode;
}

static FILE *shadow_of(const char *inode) {
  char path[PATH_MAX];
  path_of(path, "%s/%s", setting("POWER_SHADOW"), inode);
  FILE *shadow = fopen(path, "w");
  if (shadow == NULL) give_up("the shadow cannot be written");
  return shadow;
}

/* By the handle at hand: opening the file anew and closing that would drop SQLite's locks. */
static void keep_content(int fd, const char *inode) {
  static char buffer[1 << 16];
  FILE *shadow = shadow_of(inode);
  ssize_t length;
  for (off_t at = 0; (length = pread(fd, buffer, sizeof buffer, at)) > 0; at += length)
    fwrite(buffer, 1, (size_t)length, shadow);
  if (length < 0) give_up("a file that is synced cannot be read by the same handle");
  if (fclose(shadow) != 0) give_up("the shadow cannot be written");
}

static void keep_names(const char *folder, const char *inode) {
  DIR *names = opendir(folder);
  if (names == NULL) give_up("a directory that is synced cannot be read");
  FILE *shadow = shadow_of(inode);
  for (struct dirent *entry; (entry = readdir(names)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    char path[PATH_MAX], child[64];
    mode_t mode;
    path_of(path, "%s/%s", folder, entry->d_name);
    inode_of(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, child, &mode);
    fprintf(shadow, "%c %o %s %s\n", S_ISDIR(mode) ? 'd' : 'f', mode & 07777, child, entry->d_name);
  }
  closedir(names);
  if (fclose(shadow) != 0) give_up("the shadow cannot be written");
}

static void note(const char *call, const char *path) {
  char log[PATH_MAX];
  path_of(log, "%s/log", setting("POWER_SHADOW"));
  FILE *file = fopen(log, "a");
  if (file == NULL) give_up("the log cannot be written");
  fprintf(file, "%s %s\n", call, path);
  fclose(file);
}

static void cut_the_power(const char *when) {
  const char *cut = getenv("POWER_CUT");
  size_t length = strlen(when);
  if (cut == NULL || strncmp(cut, when, length) != 0 || cut[length] != ' ') return;
  if (atol(cut + length + 1) == syncs) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
  }
}

static int on_sync(const char *call, int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, call);
  char link[64], path[PATH_MAX], inode[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return real(fd);
  path[length] = '\0';
  const char *disk = setting("POWER_DISK");
  size_t depth = strlen(disk);
  if (strncmp(path, disk, depth) != 0 || (path[depth] != '/' && path[depth] != '\0')) return real(fd);

  pthread_mutex_lock(&one_at_a_time);
  syncs++;
  cut_the_power("before");
  int result = real(fd);
  if (result == 0) {
    mode_t mode;
    inode_of(fd, "", AT_EMPTY_PATH, inode, &mode);
    if (S_ISDIR(mode)) keep_names(path, inode);
    else keep_content(fd, inode);
    note(call, path[depth] == '\0' ? "." : path + depth + 1);
  }
  cut_the_power("after");
  pthread_mutex_unlock(&one_at_a_time);
  return result;
}

int fsync(int fd) { return on_sync("fsync", fd); }

int fdatasync(int fd) { return on_sync("fdatasync", fd); }
