// RealDisk: io::Disk over the kernel's files.
#pragma once

#include "io/disk.h"

namespace weft::io {

class RealDisk final : public Disk {
 public:
  Result<std::string> read(const std::string& path) override;
  Result<> write_atomic(const std::string& path, std::string_view bytes, uint32_t mode) override;
  Result<std::unique_ptr<AppendFile>> append_open(const std::string& path) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> remove(const std::string& path) override;
  Result<> make_dirs(const std::string& path, uint32_t mode) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
};

}  // namespace weft::io
