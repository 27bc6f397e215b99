/* capture/mysql_connect.h -- opens one connection to the source: authentication, TLS, time limits; and can be left at
 * once.
 *
 * mysql_real_connect blocks for as long as name service and server take, and neither client library lets another thread
 * end it.  So it runs in a thread of its own: who waits for it can go, and the thread then closes what it got. */
#ifndef CAPTURE_MYSQL_CONNECT_H
#define CAPTURE_MYSQL_CONNECT_H

#include <mysql.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/err.h"
#include "capture/source_stream.h"

/* Ends waiting connects; one per stream. */
struct mysql_gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool is_cut;
};

void mysql_gate_init(struct mysql_gate *g);
void mysql_gate_fini(struct mysql_gate *g);
void mysql_gate_cut(struct mysql_gate *g); /* any thread; for good */

/* Errors of server and library, as ours.  `connecting`: not yet connected. */
enum err mysql_error_code(unsigned number, bool connecting);

/* Connects with `config`.  `read_timeout_s` holds for each answer from then on.  The result is the caller's, to
 * mysql_close.  ERR_CONNECT; ERR_ACCESS_DENIED; ERR_SOURCE_CONFIG: TLS is not to be had as asked; ERR_STOPPED: cut. */
NODISCARD enum err mysql_connect_open(MYSQL **out, struct mysql_gate *gate, const struct source_stream_config *config,
                                      unsigned read_timeout_s, struct err_msg *msg);

#endif
