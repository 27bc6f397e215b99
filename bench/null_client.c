/* bench/null_client.c -- the fastest reader of a binlog there can be: takes the stream from the server as capture does
 * (raw packets, CRC32 checksums asked for, no copy) and throws it away.  What capture is measured against.
 * usage: null_client HOST PORT USER PASSWORD FILE     reads from the start of FILE to the end of the binlog
 * Prints one JSON line. */
#include <mysql.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "capture/mysql_packets.h"

enum { DUMP_NON_BLOCK = 1, SERVER_ID = 4000000001u, FIRST_POSITION = 4, READ_TIMEOUT_S = 60 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void put_le32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (8 * i));
}

static void must(int failed, MYSQL *m, const char *what)
{
    if (!failed) return;
    fprintf(stderr, "null_client: %s: %s\n", what, mysql_error(m));
    exit(1);
}

static void must_be_ok(enum err e, const struct err_msg *msg)
{
    if (e == ERR_OK) return;
    fprintf(stderr, "null_client: %s\n", msg->text);
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: null_client HOST PORT USER PASSWORD FILE\n");
        return 2;
    }
    double begun_s = now_s();
    MYSQL *m = mysql_init(NULL);
    unsigned long packet_bytes_max = 1ul << 30;
    mysql_options(m, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_bytes_max);
    must(mysql_real_connect(m, argv[1], argv[3], argv[4], NULL, (unsigned)atoi(argv[2]), NULL, 0) == NULL, m,
         "connect");
    must(mysql_query(m, "SET @master_binlog_checksum='CRC32', @source_binlog_checksum='CRC32'"), m, "checksum");
    must(mysql_query(m, "SET @mariadb_slave_capability=4"), m, "capability");

    uint8_t command[4 + 2 + 4 + 256] = {0};
    size_t name_size = strlen(argv[5]) > 255 ? 255 : strlen(argv[5]);
    put_le32(command, FIRST_POSITION);
    command[4] = DUMP_NON_BLOCK;
    put_le32(command + 6, SERVER_ID);
    memcpy(command + 10, argv[5], name_size);
    must(m->methods->db_command(m, COM_BINLOG_DUMP, (const char *)command, 10 + name_size, 1, NULL), m, "dump");

    uint64_t events = 0, bytes = 0;
    struct mysql_packets packets = {0};
    struct err_msg msg = {0};
    const uint8_t *packet;
    size_t size;
    must_be_ok(mysql_packets_begin(&packets, (int)mysql_get_socket(m), READ_TIMEOUT_S, packet_bytes_max, NULL, 0, &msg),
               &msg);
    for (;;) {
        must_be_ok(mysql_packets_next(&packets, &packet, &size, &msg), &msg);
        if (size == 0 || packet[0] == 0xFE) break; /* the end: the dump does not wait for more */
        if (packet[0] == 0xFF) {
            fprintf(stderr, "null_client: the server ended the dump: %.*s\n", (int)size - 1, (const char *)packet + 1);
            exit(1);
        }
        events++;
        bytes += size - 1;
    }
    mysql_packets_end(&packets);
    double seconds = now_s() - begun_s;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"client\":\"null\",\"events\":%llu,\"bytes\":%llu,\"seconds\":%.4f,\"cpu_seconds\":%.4f}\n",
           (unsigned long long)events, (unsigned long long)bytes, seconds,
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    mysql_close(m);
    return 0;
}
