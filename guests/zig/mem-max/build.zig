//! `zig build` writes the component to build/mem-max.wasm.

const std = @import("std");

pub fn build(b: *std.Build) void {
    const target = b.resolveTargetQuery(.{ .cpu_arch = .wasm32, .os_tag = .wasi });

    const generate = b.addSystemCommand(&.{ "nephoscope", "guest", "bindings", "c", "--wit", "wit", "--out", "build/bindings" });
    generate.setCwd(b.path("."));
    generate.has_side_effects = true;
    const translate = b.addTranslateC(.{
        .root_source_file = b.path("build/bindings/mem_max.h"),
        .target = target,
        .optimize = .ReleaseSmall,
    });
    translate.step.dependOn(&generate.step);

    const module = b.addExecutable(.{
        .name = "mem-max",
        .root_module = b.createModule(.{
            .root_source_file = b.path("src/main.zig"),
            .imports = &.{.{ .name = "bindings", .module = translate.createModule() }},
            .target = target,
            .optimize = .ReleaseSmall,
            .link_libc = true,
            .strip = true,
        }),
    });
    module.step.dependOn(&generate.step);
    module.root_module.addCSourceFile(.{ .file = b.path("build/bindings/mem_max.c") });
    module.root_module.addObjectFile(b.path("build/bindings/mem_max_component_type.o"));
    module.wasi_exec_model = .reactor;
    // All of a poll then happens in two pages of memory, which makes a fresh instance cheap.
    module.stack_size = 8 * 1024;

    const componentize = b.addSystemCommand(&.{ "nephoscope", "guest", "componentize" });
    componentize.setCwd(b.path("."));
    componentize.addArtifactArg(module);
    componentize.addArgs(&.{ "--out", "build/mem-max.wasm" });
    componentize.has_side_effects = true;
    b.getInstallStep().dependOn(&componentize.step);
}
