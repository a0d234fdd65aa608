"""ckd-deploy certify: what was checked, with what result, in a file that anyone can verify."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.commands import CANNOT, DIFFERENT, EQUAL
from deploy.commands.outputs import claimed, refuse_to_replace
from deploy.commands.shared import CountOfTrace, Model, Simulator, recording_limit
from deploy.errors import DeployError
from deploy.report.console import PlainConsole
from deploy.zoo import FOLDER

ENDING = ".certificate"


@dataclass(frozen=True, kw_only=True)
class Certify:
    """Check a model against the trace beside it, and write a certificate of it; or verify one.

    A certificate names the files by their digests, says what was compared and what came of it, gives NeuroBench's
    metrics, and between which values every register stays for all inputs. It is written where the check finds the two
    equal. Exit code 0: certified, or verified; 1: it differs, and what; 2: cannot be done.

    Example: ckd-deploy certify student.nir

    Example: ckd-deploy certify --verify student.certificate
    """

    model: Model
    """A model file with its .trace beside it; with --verify, a certificate beside those two, or a model beside it."""
    verify: bool = False
    """Work out everything in a certificate again, from the files that it names."""
    on: Simulator = "integer"
    recordings: CountOfTrace = None
    json: bool = False
    """Print a program's view of the result."""

    def execute(self) -> int:
        if self.verify:
            return self._verify()
        if self.model.suffix == ENDING:
            raise DeployError(f"{self.model}: is a certificate; --verify verifies it, and a model file gets a new one")
        if self.model.parent == FOLDER:
            name = self.model.stem
            raise DeployError(
                f"zoo:{name}: has its certificate: ckd-deploy certify --verify zoo:{name}; copy it for one of your own"
            )
        path = self.model.with_suffix(ENDING)
        refuse_to_replace(path, ENDING, self.model, self.model.with_suffix(".trace"))
        with claimed(path, self.model):
            return self._certify(path)

    def _certify(self, path: Path) -> int:
        from deploy.checking.certificate.certify import certify, write_certificate  # --help waits for no simulator

        certificate = certify(self.model, on=self.on, recordings=recording_limit(self.recordings, self.on))
        word = certificate["verdict"]["word"]
        equal = word.startswith("EQUAL")  # of a simulator without u and v: in what both hold
        if equal:
            write_certificate(certificate, path)
        if self.json:
            print(json.dumps(certificate))
        else:
            _show(certificate, path)
        return EQUAL if equal else CANNOT if word == "NOT ALL COMPARED" else DIFFERENT

    def _verify(self) -> int:
        if self.on != "integer" or self.recordings is not None:
            raise DeployError("--verify takes the simulator and the recordings from the certificate; leave them out")
        from deploy.checking.certificate.verify import verify_certificate

        path = self.model.with_suffix(ENDING)
        lines = verify_certificate(path)
        if self.json:
            print(json.dumps({"verified": not lines, "differing": list(lines)}))
            return DIFFERENT if lines else EQUAL
        console = PlainConsole()
        for line in lines:
            console.print(f"NOT VERIFIED: {line}", style="red", highlight=False, soft_wrap=True)
        if not lines:
            told = f"VERIFIED: every figure of {path.name} came out the same"
            console.print(told, style="green", highlight=False, soft_wrap=True)
        return DIFFERENT if lines else EQUAL


def _show(certificate: dict[str, Any], path: Path) -> None:
    console, verdict, metrics = PlainConsole(), certificate["verdict"], certificate["metrics"]
    equal = verdict["word"].startswith("EQUAL")
    console.print(verdict["sentence"], style="green" if equal else "red", highlight=False, soft_wrap=True)
    if not equal:
        told = "no certificate is written; ckd-deploy check says what differs and why"
        console.print(told, highlight=False, soft_wrap=True)
        return
    operations = metrics["synaptic_operations"]
    console.print(
        f"NeuroBench: footprint {metrics['footprint']:,} bytes, "
        f"connection sparsity {metrics['connection_sparsity']:.4f}, "
        f"activation sparsity {metrics['activation_sparsity']:.4f}, "
        f"per recording {operations['Effective_ACs']:,.0f} accumulates, "
        f"{operations['Effective_MACs']:,.0f} multiplies, {operations['Dense']:,.0f} dense",
        highlight=False,
        soft_wrap=True,
    )
    for proven in certificate["ranges"]["proven_for_all_inputs"]:
        open_ones = [one["layer"] for one in proven["layers"] if one["overflow"] != "impossible"]
        told = "cannot be excluded in " + ", ".join(open_ones) if open_ones else "is impossible in every layer"
        steps = proven["steps"] if isinstance(proven["steps"], int) else f"{proven['steps']} of"
        console.print(f"for all inputs, {steps} steps: an overflow {told}", highlight=False, soft_wrap=True)
    console.print(f"wrote {path}", highlight=False, soft_wrap=True)
