#include "stage/section_role.hpp"

namespace ml {

std::optional<std::string> role_besides_post(const Attributes& attributes) {
  auto role = attributes.value(raw_attribute);
  if (!role) role = attributes.value(received_attribute);
  if (role == "post") role.reset();
  return role;
}

}  // namespace ml
