import { expect, it } from "vitest";
import { Nccl, ncclConfig, ncclConstants, ncclFunctions } from "../../../../src/device/cuda/nccl.ts";
import { DeviceError } from "../../../../src/errors.ts";
import { compile, missing, prototypes, types, values } from "./headers.ts";
import { describeWithWheels, withoutDevice } from "./wheels.ts";

/** The functions that are bound one by one. */
const others = {
  ncclCommInitRankConfig: "ncclResult_t (*)(ncclComm_t*, int, ncclUniqueId, int, ncclConfig_t*)",
  ncclGetErrorString: "const char* (*)(ncclResult_t)",
  ncclGetLastError: "const char* (*)(ncclComm_t)",
};

const against = (assertions: readonly string[]): string[] => compile(["nccl.h"], assertions);

describeWithWheels("NCCL's header", () => {
  it.skipIf(missing)("agrees with the prototypes", () => {
    expect(against([...prototypes(ncclFunctions), ...types(others)])).toEqual([]);
  });

  it.skipIf(missing)("agrees with the constants", () => {
    expect(against(values(ncclConstants))).toEqual([]);
  });

  it.skipIf(missing)("agrees with the layouts", () => {
    const { bytes, offsets, version } = ncclConfig;
    expect(against([
      ...Object.entries(offsets).map(([member, offset]) => `static_assert(offsetof(ncclConfig_t, ${member}) == ${offset}, "${member}");`),
      `static_assert(sizeof(ncclConfig_t) >= ${bytes} && sizeof(ncclConfig_t{}.netName) == 8 && NCCL_VERSION_CODE >= ${version} && NCCL_VERSION(2, 17, 0) == ${version});`,
      "constexpr ncclConfig_t config = NCCL_CONFIG_INITIALIZER;",
      `static_assert(config.magic == ${ncclConstants.NCCL_API_MAGIC}u && config.cgaClusterSize == ${ncclConstants.NCCL_CONFIG_UNDEF_INT} && config.netName == nullptr);`,
      `static_assert(sizeof(ncclUniqueId) == ${ncclConstants.NCCL_UNIQUE_ID_BYTES} && alignof(ncclUniqueId) == 1 && sizeof(ncclResult_t) == 4 && sizeof(ncclDataType_t) == 4 && sizeof(ncclRedOp_t) == 4);`,
    ])).toEqual([]);
  });

  it.skipIf(missing)("would not agree with others", () => {
    expect(against(["FUNCTION(ncclSend, WORD, SIZE, I32, I32, WORD)", ...values({ ncclFloat32: 6, ncclRemoteError: 7 }), ...types({ ncclCommInitRankConfig: "ncclResult_t (*)(ncclComm_t*, int, ncclUniqueId*, int, ncclConfig_t*)" })])).toHaveLength(5);
  });
}, "nccl/include/nccl.h");

describeWithWheels("NCCL of NVIDIA's wheel", () => {
  const driver = withoutDevice();
  const nccl = () => Nccl.open(driver);

  it("is found with every entry point, and says its version", () => {
    const { path, version, raw } = nccl();
    expect(path).toContain(driver.where.env.VIRTUAL_ENV);
    expect(version).toMatch(/^2\.\d+\.\d+$/);
    expect(Object.keys(raw)).toEqual(Object.keys(ncclFunctions));
  });

  it("makes ids, each another", () => {
    const [a, b] = [nccl().uniqueId(), nccl().uniqueId()];
    expect(a).toHaveLength(128);
    expect(a.some((byte) => byte !== 0)).toBe(true);
    expect(a).not.toEqual(b);
  });

  it("takes a rank, up to the device that it needs, and says what failed", () => {
    const begin = () => nccl().begin(nccl().uniqueId(), 0, 2);
    expect(begin).toThrow(DeviceError);
    expect(begin).toThrow(/^cuda: ncclCommInitRankConfig failed: unhandled cuda error \(1\)\. .*NCCL_DEBUG=WARN/);
  });

  it("names the errors that there are", () => {
    expect(() => nccl().ready(0)).toThrow(/ncclCommGetAsyncError failed: invalid argument \(4\)/);
    expect(() => nccl().call("ncclAllReduce", 0, 0, 4, ncclConstants.ncclFloat32, ncclConstants.ncclSum, 0, 0)).toThrow(/ncclAllReduce failed: invalid (argument|usage) \([45]\)/);
  });
}, "nccl/lib/libnccl.so.2");
