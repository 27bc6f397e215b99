/* tests/formats/avro_oracle.h -- Avro's own C library as the judge of our encoder: it knows the record's schema
 * (docs/clients/record.avsc) and nothing of our code.  All functions fail the running Check test when the bytes do not
 * hold. */
#ifndef TESTS_FORMATS_AVRO_ORACLE_H
#define TESTS_FORMATS_AVRO_ORACLE_H

#include <avro.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes one record, which must fill the bytes exactly.  Free with avro_value_decref. */
avro_value_t oracle_decode(const uint8_t *bytes, size_t size);

/* A field of a record by its name.  Of a union: oracle_branch tells which, oracle_field gives what is in it. */
int          oracle_branch(const avro_value_t *record, const char *name);
avro_value_t oracle_field(const avro_value_t *record, const char *name);
int64_t      oracle_long(const avro_value_t *record, const char *name); /* int, long, enum */
double       oracle_double(const avro_value_t *record, const char *name);
/* string or bytes, borrowed from the record; the size does not count the NUL. */
const char  *oracle_text(const avro_value_t *record, const char *name, size_t *size);

size_t       oracle_count(const avro_value_t *array_or_map);
avro_value_t oracle_at(const avro_value_t *array, size_t index);
int          oracle_branch_of(const avro_value_t *union_value, avro_value_t *out);
const char  *oracle_tag(const avro_value_t *record, const char *key); /* NULL: there is none */

#endif
