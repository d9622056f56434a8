/* SPDX-License-Identifier: MIT */
/* Whole files in memory, for verbs that take a file or "-". */
#ifndef TOOLS_FILE_H
#define TOOLS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Reads at most max bytes of a file, of standard input for "-". The caller frees *data. 0 or a
 * negative errno. *data is never NULL on success, even for an empty file; it is NULL where one of
 * these fails. */
int file_read(const char *path, size_t max, uint8_t **data, size_t *size);

/* Writes a file anew, or to standard output for NULL and "-". 0 or a negative errno. */
int file_write(const char *path, const void *data, size_t size);

/* To be written anew; standard output for "-". NULL: errno. The caller closes it by file_close(),
 * which says whether all of it was written: 0 or a negative errno. */
FILE *file_open(const char *path);
int file_close(FILE *f);

/* The whole file; -EFBIG when it is larger than max. */
int file_read_whole(const char *path, size_t max, uint8_t **data, size_t *size);

/* Can a file that begins so be what is wanted? 0 or the negative errno to refuse it with, before
 * the rest is read: a device or a pipe may never end. */
typedef int file_like(const uint8_t *begin, size_t size);
int file_read_like(const char *path, size_t max, file_like *like, uint8_t **data, size_t *size);
int file_is_text(const uint8_t *begin, size_t size);

/* The same as a string, for files in a language of lines; -EILSEQ when a zero byte would end it
 * early. */
int file_read_text(const char *path, size_t max, char **text);

/* Says that `verb` could not read a file. Returns the exit status. */
int file_complain(const char *verb, const char *path, int err);

/* len bytes from there on, all of them; 0 or a negative errno, -ENODATA where the file ends. */
int file_pread(int fd, void *to, size_t len, uint64_t offset);

/* Where a program is, in the folders of $PATH or under that name; false: nowhere. */
bool file_find_program(const char *name, char *path, size_t len);

#endif
