/* control/service_notify.h -- tells a service manager how we are: systemd's notification protocol (sd_notify(3)), one
 * datagram a message to the socket that NOTIFY_SOCKET names.  Without that variable nothing is sent. */
#ifndef CONTROL_SERVICE_NOTIFY_H
#define CONTROL_SERVICE_NOTIFY_H

#include <stdint.h>

/* Sends e.g. "READY=1\nSTATUS=serves 3 channels". */
void service_notify(const char *words);
/* "RELOADING=1" with the time that Type=notify-reload wants. */
void service_notify_reloading(void);

/* ns between two "WATCHDOG=1" that are asked of us: half of WATCHDOG_USEC; UINT64_MAX: none are. */
uint64_t service_watchdog_ns(void);

#endif
