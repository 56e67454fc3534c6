/* Writing all there is, see esp_io.h. */
#include "esp_io.h"

#include <errno.h>
#include <unistd.h>

int esp_io_write(int fd, const void *bytes, size_t len)
{
	const char *s = bytes;

	while (len) {
		ssize_t n = write(fd, s, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;	/* nothing taken, nothing said */
		if (n <= 0)
			return -1;
		s += n;
		len -= (size_t)n;
	}
	return 0;
}
