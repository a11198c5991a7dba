/* dpkg's own order of versions: reads a pair a line, parted by a tab, and
 * writes `<`, `=` or `>`; `!` where dpkg refuses or warns of either. */
#define LIBDPKG_VOLATILE_API 1
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dpkg/dpkg.h>
#include <dpkg/dpkg-db.h>
#include <dpkg/version.h>

static int reads(struct dpkg_version *version, const char *text)
{
	struct dpkg_error error = DPKG_ERROR_INIT;
	int refused = parseversion(version, text, &error);

	dpkg_error_destroy(&error);
	return refused == 0;
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length;

	while ((length = getline(&line, &size, stdin)) > 0) {
		char *second = strchr(line, '\t');
		struct dpkg_version a, b;
		int first_reads, second_reads, order;

		if (!second)
			return 2;
		line[length - 1] = '\0';
		*second++ = '\0';
		first_reads = reads(&a, line);
		second_reads = reads(&b, second);
		if (!first_reads || !second_reads) {
			puts("!");
			continue;
		}
		order = dpkg_version_compare(&a, &b);
		puts(order < 0 ? "<" : order > 0 ? ">" : "=");
	}
	return ferror(stdin) || fflush(stdout) ? 3 : 0;
}
