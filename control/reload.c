#include "control/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum err reload_log(const struct config *config, struct err_msg *msg)
{
    enum log_level level = LOG_LEVEL_INFO;
    log_level_parse(config->log_level, &level); /* the configuration allows no other words */
    TRY(log_set_room_levels(config->log_levels, msg));
    log_set_level(level);
    log_set_json(strcmp(config->log_format, "json") == 0);
    return ERR_OK;
}

static void name_what_waits(const struct config *now, const struct config *then)
{
    char names[512] = "";
    size_t used = 0;
#define NOTE(name)                                                                                                     \
    if (memcmp(&now->name, &then->name, sizeof now->name) != 0 && used + sizeof #name + 2 < sizeof names) {            \
        used += (size_t)sprintf(names + used, "%s%s", used == 0 ? "" : ", ", #name);                                   \
    }
#define NOTE_FIELD(name, ...) NOTE(name)
    CONFIG_FIELDS(NOTE_FIELD, NOTE_FIELD, NOTE_FIELD, NOTE_FIELD)
    NOTE(listeners)
    if (used > 0) log_warn("control", "these settings count from the next start on: %s", names);
}

void reload(struct instance *in, const char *config_path)
{
    struct err_msg msg = {.code = ERR_OK};
    struct config *then = calloc(1, sizeof *then);
    enum err e = then == NULL ? err_set(&msg, ERR_NO_MEMORY, "no memory to read the configuration")
                              : config_load(config_path, then, &msg);
    if (e == ERR_OK) e = reload_log(then, &msg);
    if (e == ERR_OK) {
        memcpy(in->config.log_level, then->log_level, sizeof then->log_level);
        memcpy(in->config.log_levels, then->log_levels, sizeof then->log_levels);
        memcpy(in->config.log_format, then->log_format, sizeof then->log_format);
        log_info("control", "SIGHUP: the configuration was read again");
        name_what_waits(&in->config, then);
    } else {
        log_error("control", "SIGHUP: the configuration stays as it was: %s", msg.text);
    }
    free(then);
    if (in->dataplane != NULL) dataplane_reload_certificates(in->dataplane);
}
