/* capture/catalog.h -- every database's and table's definition at one position of a binlog.
 *
 * The pure half of the DDL tracker: definitions come in from a snapshot (catalog_put_*, or SHOW CREATE texts through
 * catalog_apply), and each DDL statement of the stream moves them on (catalog_apply).  No I/O, no clock.  A source's
 * rules that depend on its version (widths of integers, default collations, names of types) are kept here, so that a
 * definition says what the source's information_schema would say at that position, to the letter.
 *
 * Definitions are immutable: a table that changes gets a new object, the old one is freed.  So a pointer that
 * catalog_find_table returns lives until the next call that changes the catalog; `version` tells whether it is another.
 * A call that fails changes nothing.  Owner: one thread.
 *
 * Sizes: a column takes about 100 bytes, so 10,000 tables of 1,000 columns are about 1 GB and the usual 10,000 tables
 * of 20 columns 25 MB.  A statement's text may have any length; applying it takes CATALOG_WORK_BYTES_MAX at most.
 *
 * Sources: the MySQL Reference Manual, "Data Definition Statements", "Silent Column Specification Changes"; the MariaDB
 * Knowledge Base, "Data Definition".  Compared with real servers by tests/capture/test_catalog_live.c. */
#ifndef CAPTURE_CATALOG_H
#define CAPTURE_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    CATALOG_WORK_BYTES_MAX = 256 << 20, /* memory that one statement may take while it is applied */
    CATALOG_COLUMNS_MAX = 4096,
    CATALOG_KEYS_MAX = 128,
    CATALOG_KEY_PARTS_MAX = 64,
    CATALOG_TABLES_MAX = 1 << 18,
    CATALOG_NAME_BYTES_MAX = 1024, /* names are 64 characters; a hostile statement may hold more */
};

/* What the catalog must know of the source; fixed while the catalog is open. */
struct catalog_server {
    uint32_t version; /* 5.7.29: 50729; MariaDB 10.11.19: 101119 */
    bool is_mariadb;
    uint8_t lower_case_table_names; /* 0: exact; 1: kept in lower case; 2: kept as written, compared without case */
};

/* "8.0.36-log", "10.11.6-MariaDB-log", "5.5.5-10.6.1-MariaDB" to version and is_mariadb; false: no version. */
bool catalog_server_parse(struct catalog_server *out, const char *version_text);

enum catalog_kind {
    CATALOG_TABLE,
    CATALOG_VIEW,     /* its name is taken; it has no columns here */
    CATALOG_SEQUENCE, /* MariaDB: a table of fixed columns, whose changes are row events */
};

enum catalog_generated { CATALOG_NOT_GENERATED, CATALOG_VIRTUAL, CATALOG_STORED };

struct catalog_column {
    const char *name;
    const char *type;    /* COLUMN_TYPE, to the letter: "int(10) unsigned", "enum('a','b')" */
    const char *charset; /* CHARACTER_SET_NAME and COLLATION_NAME; NULL: not a text type.  Static texts. */
    const char *collation;
    bool is_nullable;
    bool is_invisible;
    bool is_period;    /* MariaDB: GENERATED ALWAYS AS ROW START or END */
    uint8_t generated; /* enum catalog_generated */
};

enum catalog_key_kind {
    CATALOG_KEY_PRIMARY,
    CATALOG_KEY_UNIQUE,
    CATALOG_KEY_INDEX,
    CATALOG_KEY_FULLTEXT,
    CATALOG_KEY_SPATIAL,
    CATALOG_KEY_VECTOR,
};

enum { CATALOG_PART_EXPRESSION = UINT16_MAX };
struct catalog_key_part {
    uint16_t column;       /* index, or CATALOG_PART_EXPRESSION */
    uint32_t prefix_chars; /* STATISTICS.SUB_PART; 0: the whole column */
    bool is_descending;    /* since MySQL 8.0 and MariaDB 10.8; before, DESC is read and forgotten */
};

struct catalog_key {
    const char *name; /* "PRIMARY" for the primary key */
    uint8_t kind;     /* enum catalog_key_kind */
    bool is_implied;  /* made by the source for a foreign key: goes when another key serves it */
    bool is_hash;     /* MariaDB: UNIQUE over a BLOB or TEXT, kept as a hidden BIGINT column */
    bool says_hash;   /* MariaDB: another key USING HASH, which is one in name only */
    uint16_t part_count;
    const struct catalog_key_part *part;
};

struct catalog_table {
    const char *database, *name;
    uint64_t version;                /* of this object; no two objects of a catalog ever have the same */
    const char *engine;              /* as written or as the snapshot says; "": the source's default */
    const char *charset, *collation; /* the table's default; static texts.  A view has none: NULL */
    const struct catalog_column *column;
    const struct catalog_key *key; /* in the source's order: primary, unique without NULLs, unique, others */
    uint16_t column_count, key_count;
    uint8_t kind;      /* enum catalog_kind */
    bool is_versioned; /* MariaDB: WITH SYSTEM VERSIONING */
};

/* The key that identifies rows: the primary key, else the first UNIQUE key of whole, non-NULL columns; NULL: none. */
const struct catalog_key *catalog_row_key(const struct catalog_table *t);

struct catalog;

NODISCARD enum err catalog_open(struct catalog **out, const struct catalog_server *server);
void catalog_close(struct catalog *c);
const struct catalog_server *catalog_server(const struct catalog *c);

/* Memory that it takes. */
uint64_t catalog_bytes(const struct catalog *c);

/* ---- reading ---- */

/* Databases and tables are sorted by name (bytes; without case where the server compares so). */
uint32_t catalog_database_count(const struct catalog *c);
const char *catalog_database_name(const struct catalog *c, uint32_t database);
const char *catalog_database_collation(const struct catalog *c, uint32_t database);
bool catalog_find_database(const struct catalog *c, const char *name, uint32_t *database);
uint32_t catalog_table_count(const struct catalog *c, uint32_t database);
const struct catalog_table *catalog_table_at(const struct catalog *c, uint32_t database, uint32_t index);
/* NULL: no such table, view or sequence. */
const struct catalog_table *catalog_find_table(const struct catalog *c, const char *database, const char *table);

/* ---- a snapshot ---- */

/* Makes or changes a database.  ERR_INVALID: a collation that is not known. */
NODISCARD enum err catalog_put_database(struct catalog *c, const char *name, const char *collation,
                                        struct err_msg *msg);
/* Puts a copy of `t` in place of the table of that name, if any; `t->version` is not read, charsets follow from the
 * collations (t->charset, column[].charset are not read).  ERR_NOT_FOUND: its database is not there; ERR_INVALID names
 * what does not fit (a collation, a key part). */
NODISCARD enum err catalog_put_table(struct catalog *c, const struct catalog_table *t, struct err_msg *msg);
/* Forgets a table or database; one that is not there is no error. */
void catalog_drop_table(struct catalog *c, const char *database, const char *table);
void catalog_drop_database(struct catalog *c, const char *database);

/* In front of a text of SHOW CREATE TABLE it says that the text tells how things are, not what shall be made of it:
 * labels of ENUM and SET are taken as they stand, also where a statement's would have to be refused. */
#define CATALOG_SHOWN "/*=*/ "

/* Appends the statements that make `t` (or the database) again, each with ";\n" at its end: what catalog_apply reads
 * back to an equal definition under sql_mode 0 (so this is how a catalog is kept on disk). */
struct catalog_text { /* zeroed: empty; grows; text is NUL-terminated once something is in it */
    char *text;
    size_t size, capacity;
    bool failed; /* memory ran out: the text is not whole */
};
void catalog_text_free(struct catalog_text *t);
void catalog_write_table(struct catalog_text *out, const struct catalog *c, const struct catalog_table *t);
void catalog_write_database(struct catalog_text *out, const struct catalog *c, uint32_t database);

/* ---- following ---- */

/* What a QUERY event says beside its text. */
struct catalog_context {
    const char *database; /* the default database, UTF-8; "" if none */
    uint64_t sql_mode;    /* Q_SQL_MODE_CODE */
    uint16_t error_code;  /* of the statement on the source; 0: it succeeded */
    /* Q_CHARSET_CODE's third number, collation_server: the default of CREATE DATABASE.  0: not told. */
    uint16_t server_collation;
    /* Collations that CHARACTER SET without COLLATE means, where they are not the version's: of MySQL 8's
     * Q_DEFAULT_COLLATION_FOR_UTF8MB4, or the second of each pair in MariaDB's Q_CHARACTER_SET_COLLATIONS. */
    const uint16_t *default_collation;
    uint32_t default_collation_count;
    /* Does TIMESTAMP without NULL mean NULL?  Where the event does not tell: the source's global variable. */
    bool explicit_defaults_for_timestamp;
};

enum catalog_change_kind {
    CATALOG_CREATED,
    CATALOG_ALTERED,   /* a new object; its name may be another as well: then `old_*` are set */
    CATALOG_DROPPED,   /* gone; a rename is one CATALOG_ALTERED */
    CATALOG_TRUNCATED, /* the definition stays */
};
struct catalog_change {
    enum catalog_change_kind kind;
    const char *database;
    const char *table;                    /* NULL: the database itself */
    const char *old_database, *old_table; /* NULL: the name stays */
};
struct catalog_effect { /* the tables and databases that a statement concerns; the catalog's, until its next call */
    const struct catalog_change *change;
    uint32_t count;
};

/* Applies one statement of the stream.  `text` is UTF-8 (the caller has converted it), not NUL-terminated.  A statement
 * that changes no definition (DML, accounts, routines, temporary tables, BEGIN, ...) is ERR_OK with no effects.
 *   ERR_UNSUPPORTED  the statement cannot be read, or what it makes cannot be known from its text (CREATE TABLE ...
 *                    SELECT); `msg` names the statement and the place in it.
 *   ERR_SCHEMA       it does not fit the catalog: a table or column it needs is not there, one that it makes is.
 *   ERR_TOO_LARGE    beyond the limits above.  ERR_NO_MEMORY.
 * In each case nothing changed and the catalog no longer tells the truth about the tables that the statement names: the
 * caller reads them again from the source when it stands at this position, or stops. */
NODISCARD enum err catalog_apply(struct catalog *c, const struct catalog_context *context, const char *text,
                                 size_t text_bytes, struct catalog_effect *effect, struct err_msg *msg);

#endif
