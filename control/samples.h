/* control/samples.h -- the sample consumers of docs/clients, packed into the program by docs/clients/pack. */
#ifndef CONTROL_SAMPLES_H
#define CONTROL_SAMPLES_H

#include <stddef.h>

struct sample_file {
    const char *language; /* "": the file belongs to every language */
    const char *name;
    const unsigned char *text;
    size_t size;
};

/* Those of a language stand together, its program first. */
extern const struct sample_file sample_files[];
extern const size_t sample_file_count;

#endif
