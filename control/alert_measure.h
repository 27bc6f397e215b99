/* control/alert_measure.h -- once a second: what the rules of all channels ask for is measured, and told on. */
#ifndef CONTROL_ALERT_MEASURE_H
#define CONTROL_ALERT_MEASURE_H

#include "control/instance.h"

/* Called a few times a second by the control thread.  May wait for the disk (control/log_lookup.h). */
void alert_measure(struct instance *in, uint64_t now_ns);

#endif
