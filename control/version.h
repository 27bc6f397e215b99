/* control/version.h -- the version of this build, from meson.build. */
#ifndef CONTROL_VERSION_H
#define CONTROL_VERSION_H

#ifndef MILLRACE_VERSION
#error "MILLRACE_VERSION comes from meson.build"
#endif

#endif
