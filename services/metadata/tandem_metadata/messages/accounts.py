"""Messages of users, of roles, and of what they are granted.

Answers hold all fields, empty ones too: MLflow's client looks each up by its name.
"""

from msgspec import Struct

from tandem_shared.wire.codec import Int64, Required


class RolePermission(Struct):
    """A grant of a role."""

    id: int
    role_id: int
    resource_type: str
    resource_pattern: str
    permission: str


class Role(Struct):
    """A role with what it grants."""

    id: int
    name: str
    workspace: str
    description: str | None
    permissions: list[RolePermission]


class RoleAssignment(Struct):
    """That a user has a role."""

    id: int
    user_id: int
    role_id: int


class ExperimentPermission(Struct):
    """A user's grant on an experiment, as clients of MLflow 2 know it."""

    experiment_id: str
    user_id: int
    permission: str


class ModelPermission(Struct):
    """A user's grant on a registered model or prompt, as clients of MLflow 2 know it."""

    name: str
    user_id: int
    permission: str


class User(Struct):
    """A user. No message holds a password's hash."""

    id: int
    username: str
    is_admin: bool


class UserWithGrants(User):
    """A user with his own grants, which clients of MLflow 2 look for."""

    experiment_permissions: list[ExperimentPermission]
    registered_model_permissions: list[ModelPermission]


class UserWithRoles(User):
    """A user in the list of all."""

    roles: list[Role]


class HeldPermission(Struct):
    """A grant that a user has, with the role that he has it by."""

    role_id: int
    role_name: str
    workspace: str
    resource_type: str
    resource_pattern: str
    permission: str


class Nothing(Struct):
    """Request without fields."""


class OneUser(Struct):
    """Request that names a user."""

    username: Required


class CreateUser(Struct):
    """Request of `users/create`."""

    username: Required
    password: Required


class UserResponse(Struct):
    """Answer of `users/create` and `users/get`."""

    user: UserWithGrants


class ListUsersResponse(Struct):
    """Answer of `users/list`."""

    users: list[UserWithRoles]


class CurrentUserResponse(Struct):
    """Answer of `users/current`."""

    user: User
    is_basic_auth: bool
    """Whether the web UI can log out, and change passwords, by means of HTTP Basic."""


class UpdatePassword(Struct):
    """Request of `users/update-password`."""

    username: Required
    password: Required
    current_password: str | None = None


class UpdateAdmin(Struct):
    """Request of `users/update-admin`."""

    username: Required
    is_admin: bool


class HeldPermissionsResponse(Struct):
    """Answer of `users/permissions/list` and `users/current/permissions`."""

    is_admin: bool
    permissions: list[HeldPermission]


class OneGrant(Struct):
    """Request of `users/permissions/revoke` and `users/permissions/get`."""

    username: Required
    resource_type: Required
    resource_id: Required


class GrantPermission(OneGrant):
    """Request of `users/permissions/grant`."""

    permission: Required


class PermissionResponse(Struct):
    """Answer of `users/permissions/get`."""

    allowed: bool
    """Whether the level is USE or a higher one."""
    permission: str


class CreateRole(Struct):
    """Request of `roles/create`."""

    name: Required
    workspace: Required
    description: str | None = None


class OneRole(Struct):
    """Request that names a role."""

    role_id: Int64


class ListRoles(Struct):
    """Request of `roles/list`; without a workspace it is for those of all."""

    workspace: list[str] = []


class UpdateRole(OneRole):
    """Request of `roles/update`; what is null stays as it is."""

    name: str | None = None
    description: str | None = None


class AddRolePermission(OneRole):
    """Request of `roles/permissions/add`."""

    resource_type: Required
    resource_pattern: Required
    permission: Required


class OneRolePermission(Struct):
    """Request of `roles/permissions/remove`."""

    role_permission_id: Int64


class UpdateRolePermission(OneRolePermission):
    """Request of `roles/permissions/update`."""

    permission: Required


class UserAndRole(OneUser):
    """Request of `roles/assign` and `roles/unassign`."""

    role_id: Int64


class RoleResponse(Struct):
    """Answer that holds one role."""

    role: Role


class RolesResponse(Struct):
    """Answer of `roles/list` and `users/roles/list`."""

    roles: list[Role]


class RolePermissionResponse(Struct):
    """Answer that holds one grant of a role."""

    role_permission: RolePermission


class RolePermissionsResponse(Struct):
    """Answer of `roles/permissions/list`."""

    role_permissions: list[RolePermission]


class AssignmentResponse(Struct):
    """Answer of `roles/assign`."""

    assignment: RoleAssignment


class AssignmentsResponse(Struct):
    """Answer of `roles/users/list`."""

    assignments: list[RoleAssignment]


class OneExperimentGrant(OneUser):
    """Request of `experiments/permissions/get` and `…/delete`."""

    experiment_id: Required


class SetExperimentGrant(OneExperimentGrant):
    """Request of `experiments/permissions/create` and `…/update`."""

    permission: Required


class ExperimentGrantResponse(Struct):
    """Answer of `experiments/permissions/…`."""

    experiment_permission: ExperimentPermission


class OneModelGrant(OneUser):
    """Request of `registered-models/permissions/get` and `…/delete`."""

    name: Required


class SetModelGrant(OneModelGrant):
    """Request of `registered-models/permissions/create` and `…/update`."""

    permission: Required


class ModelGrantResponse(Struct):
    """Answer of `registered-models/permissions/…`."""

    registered_model_permission: ModelPermission
