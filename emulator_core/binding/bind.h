// One function a subject: each adds its part to the module.
#pragma once

#include <nanobind/nanobind.h>

void bind_capability(nanobind::module_ &m);
void bind_capability_instructions(nanobind::module_ &m);
void bind_enums(nanobind::module_ &m);
void bind_unmapped(nanobind::module_ &m);
void bind_stops(nanobind::module_ &m);
void bind_snapshot(nanobind::module_ &m);
void bind_machine(nanobind::module_ &m);
void bind_engines(nanobind::module_ &m);
void bind_register_names(nanobind::module_ &m);
void bind_isa(nanobind::module_ &m);
