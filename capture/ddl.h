/* capture/ddl.h -- the text of a statement, read into what it asks of definitions.  No knowledge of any table: that is
 * catalog_apply's part (capture/catalog.h).
 *
 * Grammar: the MySQL Reference Manual 5.1 to 9.x and the MariaDB Knowledge Base, "Data Definition".  What follows the
 * grammar without changing a definition (defaults, comments, expressions, partitions, options) is read over.
 * A word that is in neither is an error that names the place: nothing is guessed.  Limits: DDL_SPECS_MAX,
 * DDL_NAMES_MAX, and the arena's bytes_max. */
#ifndef CAPTURE_DDL_H
#define CAPTURE_DDL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/arena.h"

enum { DDL_SPECS_MAX = 16384, DDL_NAMES_MAX = 16384 };

/* sql_mode bits that change what a statement means (MySQL: sql_class.h; the same in MariaDB). */
enum {
    SQL_MODE_REAL_AS_FLOAT = 1 << 0,
    SQL_MODE_ANSI_QUOTES = 1 << 2,
    SQL_MODE_ORACLE = 1 << 9,
    SQL_MODE_MAXDB = 1 << 12,
    SQL_MODE_NO_BACKSLASH_ESCAPES = 1 << 20,
    SQL_MODE_STRICT_TRANS_TABLES = 1 << 21,
    SQL_MODE_STRICT_ALL_TABLES = 1 << 22,
};

struct ddl_rules { /* how this text is to be read */
    uint32_t server_version; /* decides about version comments and words: see struct catalog_server */
    bool is_mariadb;
    uint64_t sql_mode;
};

enum ddl_kind {
    DDL_NOTHING, /* changes no definition */
    DDL_CREATE_TABLE,
    DDL_CREATE_TABLE_LIKE,
    DDL_ALTER_TABLE, /* and CREATE and DROP INDEX */
    DDL_DROP_TABLE,
    DDL_RENAME_TABLE,
    DDL_TRUNCATE_TABLE,
    DDL_CREATE_DATABASE,
    DDL_ALTER_DATABASE,
    DDL_DROP_DATABASE,
    DDL_CREATE_VIEW,
    DDL_DROP_VIEW,
    DDL_CREATE_SEQUENCE,
    DDL_DROP_SEQUENCE,
};

struct ddl_name {         /* all texts are UTF-8, unquoted, NUL-terminated, in the arena */
    const char *database; /* NULL: the default database */
    const char *name;
    const char *at; /* where it stands in the text, for messages */
};

enum ddl_type_kind {
    DDL_TINYINT, DDL_SMALLINT, DDL_MEDIUMINT, DDL_INT, DDL_BIGINT,
    DDL_FLOAT, DDL_DOUBLE, DDL_DECIMAL, DDL_BIT,
    DDL_DATE, DDL_TIME, DDL_DATETIME, DDL_TIMESTAMP, DDL_YEAR,
    DDL_CHAR, DDL_VARCHAR, DDL_TINYTEXT, DDL_TEXT, DDL_MEDIUMTEXT, DDL_LONGTEXT,
    DDL_BINARY, DDL_VARBINARY, DDL_TINYBLOB, DDL_BLOB, DDL_MEDIUMBLOB, DDL_LONGBLOB,
    DDL_ENUM, DDL_SET, DDL_JSON, DDL_VECTOR,
    DDL_PLAIN, /* a type without sizes: `word` is its name (geometry types, inet4, inet6, uuid) */
};

struct ddl_label {
    const char *text;
    uint32_t size;
    bool is_hex; /* given as x'...' or b'...': bytes in the column's own character set */
};

struct ddl_type { /* as written; what sizes mean is settled with the character set */
    enum ddl_type_kind kind;
    const char *word; /* DDL_PLAIN: lower case */
    bool has_length, has_decimals;
    uint64_t length;
    uint32_t decimals;
    bool is_unsigned, is_zerofill;
    bool is_binary;     /* attribute BINARY of a text type: the character set's _bin collation */
    bool is_byte;       /* CHAR BYTE, TEXT BYTE: the binary type */
    bool is_compressed; /* MariaDB */
    const char *charset, *collation; /* NULL: not given; "" : DEFAULT */
    const struct ddl_label *label;
    uint32_t label_count;
};

enum ddl_null { DDL_NULL_UNSAID, DDL_NULL, DDL_NOT_NULL };
enum ddl_generated { DDL_NOT_GENERATED, DDL_VIRTUAL, DDL_STORED };

struct ddl_column {
    const char *name;
    struct ddl_type type;
    enum ddl_null null;
    enum ddl_generated generated;
    bool is_invisible;
    bool is_primary, is_unique;
    bool is_period; /* MariaDB: AS ROW START, AS ROW END */
};

struct ddl_part {
    const char *name; /* NULL: an expression */
    uint32_t prefix_chars;
    bool is_descending;
};

enum ddl_key_kind {
    DDL_KEY_PRIMARY, DDL_KEY_UNIQUE, DDL_KEY_INDEX, DDL_KEY_FULLTEXT, DDL_KEY_SPATIAL, DDL_KEY_VECTOR,
    DDL_KEY_FOREIGN, /* part: the columns of this table */
};

struct ddl_key {
    enum ddl_key_kind kind;
    const char *name;       /* of the key; NULL: not given */
    const char *constraint; /* CONSTRAINT name; NULL */
    bool is_hash;           /* USING HASH */
    bool is_implied;        /* USING IMPLIED: catalog_write_table's own word */
    const struct ddl_part *part;
    uint32_t part_count;
};

enum ddl_spec_kind {
    DDL_ADD_COLUMN, DDL_MODIFY_COLUMN, /* CHANGE too: `name` is the old one */
    DDL_RENAME_COLUMN, DDL_DROP_COLUMN, DDL_SET_INVISIBLE, DDL_SET_VISIBLE,
    DDL_ADD_KEY, DDL_DROP_KEY, DDL_DROP_PRIMARY, DDL_DROP_CONSTRAINT, DDL_RENAME_KEY,
    DDL_CONVERT, /* CONVERT TO CHARACTER SET */
    DDL_RENAME,  /* RENAME TO */
    DDL_ADD_VERSIONING, DDL_DROP_VERSIONING,
    DDL_PARTITION_TO_TABLE, /* MariaDB: CONVERT PARTITION ... TO TABLE: `table` is made */
    DDL_TABLE_TO_PARTITION, /* MariaDB: CONVERT TABLE ... TO PARTITION: `table` goes */
    DDL_COPY,               /* ALGORITHM=COPY */
    DDL_DEFAULTS,           /* the table's own character set and engine: see ddl_options; or nothing that is told */
};

struct ddl_spec { /* one change of a table; those of CREATE TABLE are its columns and keys */
    enum ddl_spec_kind kind;
    struct ddl_spec *next;
    const char *at;                   /* where it stands in the text */
    bool if_exists, if_not_exists;    /* MariaDB */
    bool replaces_added;              /* catalog_alter's: in place of a column that the statement added before */
    bool is_first;
    const char *after;                /* NULL: not given */
    const char *name;                 /* of the column, key or constraint; NULL */
    const char *new_name;
    const struct ddl_column *column;
    const struct ddl_key *key;
    const char *charset, *collation;  /* DDL_CONVERT; "" : DEFAULT */
    struct ddl_name table;            /* DDL_RENAME and the two of partitions */
};

struct ddl_options {                 /* of a table or database; NULL: not given; "": DEFAULT */
    const char *charset, *collation;
    const char *engine;
};

struct ddl_statement {
    enum ddl_kind kind;
    bool is_temporary;
    bool if_exists, if_not_exists, or_replace;
    bool has_select;     /* CREATE TABLE ... SELECT: columns come from a query */
    bool is_versioned;   /* WITH SYSTEM VERSIONING */
    struct ddl_name *table; /* the tables, or views; RENAME: pairs; databases: table[0].name */
    uint32_t table_count;
    struct ddl_name like;
    struct ddl_spec *spec;
    uint32_t spec_count;
    struct ddl_options options;
};

/* Reads one statement.  `text` is UTF-8, borrowed while `out` is used; everything else lies in `arena`.
 * ERR_UNSUPPORTED: cannot be read; `msg` names the place.  ERR_TOO_LARGE, ERR_NO_MEMORY.  Any thread. */
NODISCARD enum err ddl_parse(struct ddl_statement *out, struct arena *arena, const struct ddl_rules *rules,
                             const char *text, size_t text_bytes, struct err_msg *msg);

/* How many of the text's first bytes a message shows: size_max at most, whole characters. */
int ddl_shown_bytes(const char *text, size_t size, size_t size_max);

#endif
