"""Models for FEBio (``.feb``, format 4.0): written, not read."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from vbsim.checks import require
from vbsim.mesh.io.model import Model, engineering

__all__ = ["write_febio"]

_TYPES = {
    "hexahedron": "hex8",
    "hexahedron20": "hex20",
    "tetra": "tet4",
    "tetra10": "tet10",
    "wedge": "penta6",
    "wedge15": "penta15",
}
_DIRECTIONS = ("x", "y", "z")


def write_febio(path: str | Path, model: Model) -> None:
    """Write a model; its hexahedra are FEBio's own, without incompatible modes.

    Cells of one material form a part. Prescribed displacements are a node data map times a load
    curve from 0 to 1 in one step.
    """
    require(model.mesh.kind in _TYPES, "mesh", model.mesh.kind, f"one of {', '.join(_TYPES)}")
    root = ET.Element("febio_spec", version="4.0")
    ET.SubElement(root, "Module", type="solid")
    control = ET.SubElement(root, "Control")
    for key, text in (("analysis", "STATIC"), ("time_steps", "1"), ("step_size", "1")):
        ET.SubElement(control, key).text = text
    groups = model.groups()
    materials = ET.SubElement(root, "Material")
    for number, group in enumerate(groups, 1):
        attributes = {"id": str(number), "name": f"M{number}", "type": "orthotropic elastic"}
        material = ET.SubElement(materials, "material", attributes)
        for key, value in engineering(group.constants).items():
            ET.SubElement(material, key).text = f"{value:.9g}"
    _mesh(root, model)
    domains = ET.SubElement(root, "MeshDomains")
    for number in range(1, len(groups) + 1):
        ET.SubElement(domains, "SolidDomain", name=f"P{number}", mat=f"M{number}")
    data, boundary = ET.SubElement(root, "MeshData"), ET.SubElement(root, "Boundary")
    _held(model, data, boundary)
    curves = ET.SubElement(root, "LoadData")
    curve = ET.SubElement(curves, "load_controller", id="1", type="loadcurve")
    points = ET.SubElement(curve, "points")
    for text in ("0,0", "1,1"):
        ET.SubElement(points, "pt").text = text
    output = ET.SubElement(root, "Output")
    log = ET.SubElement(output, "logfile")
    ET.SubElement(log, "node_data", data="Rx;Ry;Rz", node_set=model.asked)
    ET.indent(root, " ")
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _mesh(root: ET.Element, model: Model) -> None:
    mesh = ET.SubElement(root, "Mesh")
    nodes = ET.SubElement(mesh, "Nodes", name="all")
    for number, place in enumerate(model.mesh.points, 1):
        ET.SubElement(nodes, "node", id=str(number)).text = ",".join(f"{x:.9g}" for x in place)
    for number, group in enumerate(model.groups(), 1):
        part = ET.SubElement(mesh, "Elements", type=_TYPES[model.mesh.kind], name=f"P{number}")
        for cell in group.cells:
            text = ",".join(str(int(p) + 1) for p in model.mesh.cells[cell])
            ET.SubElement(part, "elem", id=str(int(cell) + 1)).text = text
    for name, members in model.mesh.point_sets.items():
        listed = ",".join(str(int(p) + 1) for p in np.sort(members))
        ET.SubElement(mesh, "NodeSet", name=name).text = listed


def _held(model: Model, data: ET.Element, boundary: ET.Element) -> None:
    for item in model.held:
        axis = _DIRECTIONS[item.direction]
        name = f"{item.name}_{axis}"
        if item.values is None:
            held = ET.SubElement(
                boundary, "bc", name=name, node_set=item.name, type="zero displacement"
            )
            for direction in _DIRECTIONS:
                ET.SubElement(held, f"{direction}_dof").text = str(int(direction == axis))
            continue
        table = ET.SubElement(data, "NodeData", name=name, node_set=item.name, data_type="scalar")
        # Data follow the order of the node set, which is written sorted.
        order = np.argsort(model.mesh.point_sets[item.name])
        for number, value in enumerate(item.values[order], 1):
            ET.SubElement(table, "node", lid=str(number)).text = f"{value:.12g}"
        moved = ET.SubElement(
            boundary, "bc", name=name, node_set=item.name, type="prescribed displacement"
        )
        ET.SubElement(moved, "dof").text = axis
        ET.SubElement(moved, "value", type="map", lc="1").text = name
        ET.SubElement(moved, "relative").text = "0"
