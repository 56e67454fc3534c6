/* In place of libFuzzer where there is no clang: runs a target with the files of
 * the directories named, once each. Options (-...) are not for this. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max)
{
	(void)data;
	(void)max;
	return size;
}

static void run_file(const char *dir, const char *name)
{
	static uint8_t data[1 << 20];
	char path[512];
	uint8_t *copy;
	size_t size;
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (!f)
		return;
	size = fread(data, 1, sizeof data, f);
	fclose(f);
	copy = malloc(size ? size : 1);	/* so that a byte too many is seen */
	if (!copy)
		abort();
	for (size_t i = 0; i < size; i++)
		copy[i] = data[i];
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

int main(int argc, char **argv)
{
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		DIR *d = argv[i][0] == '-' ? NULL : opendir(argv[i]);
		struct dirent *e;

		while (d && (e = readdir(d)))
			if (e->d_name[0] != '.')
				run_file(argv[i], e->d_name);
		if (d)
			closedir(d);
	}
	return 0;
}
