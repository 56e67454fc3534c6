/* esp_io.h - writing all there is, for the files of src/lua.
 *
 * Layer: lua. Knows no Lua: the confined child uses it too.
 */
#ifndef ESP_IO_H
#define ESP_IO_H

#include <stddef.h>

/* Writes len bytes, going on after signals and short writes. 0, or -1 and errno. */
int esp_io_write(int fd, const void *bytes, size_t len) __attribute__((warn_unused_result));

#endif
