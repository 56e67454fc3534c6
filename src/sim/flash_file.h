/* flash_file.h - the bytes of a flash chip, kept in a file or in memory only.
 *
 * Layer: sim. A file is mapped shared, so what was programmed is in the file
 * even when the program is killed. It is locked while it is in use.
 */
#ifndef SIM_FLASH_FILE_H
#define SIM_FLASH_FILE_H

#include "../esp_err.h"

#include <stdint.h>

#define FLASH_BYTES_MIN (256u << 10)
#define FLASH_BYTES_MAX (16u << 20)

struct flash_file {
	uint8_t *mem;
	uint32_t bytes;
	int fd;			/* -1 = memory only */
};

/* path "" = memory only. bytes 0 = the file's size, else 4 MiB. A file that is
 * missing, empty or shorter than `bytes` is made and filled with FF.
 * ESP_E_ARGUMENT (size is no power of two between 256K and 16M, or less than
 * the file has), ESP_E_BUSY (another chip uses the file), ESP_E_ACCESS,
 * ESP_E_MISSING (no such folder), ESP_E_IO. */
int flash_file_open(struct flash_file *f, const char *path, uint32_t bytes,
		    struct esp_error *err) __attribute__((warn_unused_result));
void flash_file_close(struct flash_file *f);

#endif
